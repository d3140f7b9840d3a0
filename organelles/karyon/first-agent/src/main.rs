//! Runs the bank on a data directory, or repeats what happened there.

use bank::bank;
use karyon::{Data, RunError};

fn main() -> Result<(), RunError> {
    let (mut run, account, customer) = bank();
    run.input(0, customer, 700);
    run.input(5, customer, 700);

    let data = Data::new("first", "ada", "to see my first agent run");
    if std::env::args().nth(1).as_deref() == Some("replay") {
        let replayed = run.replay(&data)?;
        println!("{replayed}");
        std::process::exit(if replayed.is_confirmed() { 0 } else { 1 });
    }
    let outcome = run.begin(&data)?;
    if let (Some(account), Some(customer)) = (outcome.state(account), outcome.state(customer)) {
        println!("{} in the account, {} in hand", account.balance, customer.cash);
    }
    println!("{} records, state root {}", outcome.records, outcome.state_root);
    Ok(())
}
