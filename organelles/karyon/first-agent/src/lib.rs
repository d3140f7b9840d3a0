//! A bank with one account.

use karyon::memory::Value;
use karyon::{Agent, AgentRef, Answer, Call, Context, Kind, Pid, ReplyTo, Result, Run};
use serde::{Deserialize, Serialize};

/// An account: what it holds survives from one message to the next.
#[derive(Serialize, Deserialize)]
pub struct Account {
    /// In cents.
    pub balance: i64,
}

/// What an account understands.
#[derive(Debug, Serialize, Deserialize)]
pub enum Message {
    /// Put so much in.
    Deposit(i64),
    /// Take so much out; the answer says whether that worked.
    Withdraw(i64, ReplyTo<bool>),
}

impl Agent for Account {
    type Message = Message;
    const KIND: Kind = Kind::new("account").keeps_its_state(50);

    fn handle(&mut self, _from: Pid, message: Message, ctx: &mut Context<'_, Self>) -> Result {
        match message {
            Message::Deposit(amount) => self.balance += amount,
            Message::Withdraw(amount, reply) => {
                let enough = amount <= self.balance;
                if enough {
                    self.balance -= amount;
                }
                ctx.reply(reply, &enough);
            }
        }
        ctx.remember_fact("balance", [("cents", Value::Int(self.balance))])
    }
}

/// Somebody who takes out what they are told to.
#[derive(Serialize, Deserialize)]
pub struct Customer {
    /// Whose money it is.
    pub account: AgentRef<Account>,
    /// What is asked for just now.
    pub asked: Option<(Call<bool>, i64)>,
    /// What they have in hand, in cents.
    pub cash: i64,
}

impl Agent for Customer {
    type Message = i64;
    const KIND: Kind = Kind::new("customer").keeps_its_state(50);

    fn handle(&mut self, _from: Pid, amount: i64, ctx: &mut Context<'_, Self>) -> Result {
        let question = |reply| Message::Withdraw(amount, reply);
        self.asked = Some((ctx.call(self.account, question, 10), amount));
        Ok(())
    }

    fn answered(&mut self, answer: Answer, _ctx: &mut Context<'_, Self>) -> Result {
        if let Some((call, amount)) = &self.asked
            && let Some(Ok(true)) = answer.to(call)
        {
            self.cash += amount;
        }
        Ok(())
    }
}

/// A run with one account and one customer.
pub fn bank() -> (Run, AgentRef<Account>, AgentRef<Customer>) {
    let mut run = Run::new("bank");
    let account = run.agent("account", Account { balance: 1_000 });
    let customer = run.agent("customer", Customer { account, asked: None, cash: 0 });
    (run, account, customer)
}
