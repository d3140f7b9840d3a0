//! What the bank does.

use bank::{Message, bank};

#[test]
fn nobody_takes_out_more_than_there_is() {
    let (mut run, account, customer) = bank();
    run.input(0, customer, 700);
    run.input(5, customer, 700);
    run.input(10, account, Message::Deposit(50));

    let outcome = run.test().unwrap();
    assert_eq!(outcome.state(account).unwrap().balance, 350);
    assert_eq!(outcome.state(customer).unwrap().cash, 700);
}

#[test]
fn crashes_and_threads_change_nothing() {
    let (mut run, _, customer) = bank();
    for n in 0..20 {
        run.input(5 * n, customer, 60);
    }
    let calm = run.test().unwrap();
    let wild = run.chaos(0.2).schedulers(2).test().unwrap();
    assert!(wild.counts.crashes > 0);
    assert_eq!(wild.state_root, calm.state_root);
}
