//! Moving money. Everything is shown first, asked for, and written to the wallet's journal before it is sent.

use anyhow::Context;
use clap::Args;

use super::super::{Exit, block_on, environment::Environment, order::OrderArgs};
use crate::{
    engine::desk::Order,
    primitives::{Address, Shannons},
};

/// Examples, and what all of these commands have in common.
fn outcomes(examples: &str) -> String {
    format!(
        "{examples}\n\n\
        JSON: what, network, chain_id, address, created, status (executed, failed, refused, unknown), digest, why, fee_shannons, \
        balance_change_shannons; the last two are null where nothing was executed or nobody can say yet.\n\n\
        Exit codes: 0 executed; 1 refused by the network, or executed in vain for its fee; 2 bad input, nothing was sent; 3 unreachable, \
        nothing was sent; 4 sent, outcome unknown: the next command settles it."
    )
}

/// Pay: one transaction for any number of recipients.
///
/// Amounts are SOMA with up to nine decimals (`1.5`, `1.5soma`), or whole shannons (`1500000000sh`). Network, chain, recipients, amounts and
/// the fee are shown before anything is signed.
#[derive(Args)]
#[command(after_help = outcomes("Examples:\n  somascope wallet send 0x5d31… 1.5 0x77ab… 250000sh"))]
pub struct Send {
    /// Who gets how much: an address of 64 hex digits and an amount, and so on.
    #[arg(required = true, num_args = 2.., value_names = ["TO", "AMOUNT"])]
    payments: Vec<String>,
    #[command(flatten)]
    order: OrderArgs,
}

/// Make one large coin of many small ones (and one more, which pays).
#[derive(Args)]
#[command(after_help = outcomes("Examples:\n  somascope wallet merge"))]
pub struct Merge {
    #[command(flatten)]
    order: OrderArgs,
}

/// Make several coins of the richest one: a bond needs a coin of its own.
#[derive(Args)]
#[command(after_help = outcomes("Examples:\n  somascope wallet split --parts 8\n  somascope wallet split 0.5 0.5 250000sh"))]
pub struct Split {
    /// So many coins of equal worth.
    #[arg(long, value_name = "N", conflicts_with = "amounts")]
    parts: Option<u32>,
    /// A new coin of each of these amounts; the rest stays.
    #[arg(value_name = "AMOUNT")]
    amounts: Vec<Shannons>,
    #[command(flatten)]
    order: OrderArgs,
}

impl Send {
    pub fn run(self, environment: &Environment) -> anyhow::Result<Exit> {
        let payments = self.payments.chunks(2).map(payment).collect::<anyhow::Result<Vec<_>>>()?;
        block_on(self.order.carry_out(environment, Order::Send { payments }))
    }
}

/// An address that is paid is written out in full: elsewhere leading zeros may be missing, and so might digits.
fn payment(words: &[String]) -> anyhow::Result<(Address, Shannons)> {
    let [to, amount] = words else {
        return Err(Exit::BadInput.because("every recipient needs an amount: TO AMOUNT [TO AMOUNT …]"));
    };
    let recipient: Address = to.parse().with_context(|| "who is to be paid")?;
    if to.strip_prefix("0x").unwrap_or(to).len() != 64 {
        return Err(Exit::BadInput.because(format!("`{to}` is no whole address: 64 hex digits, with or without 0x")));
    }
    let amount: Shannons = amount.parse()?;
    if amount == Shannons::ZERO {
        return Err(Exit::BadInput.because("an amount of 0 cannot be sent"));
    }
    Ok((recipient, amount))
}

impl Merge {
    pub fn run(self, environment: &Environment) -> anyhow::Result<Exit> {
        block_on(self.order.carry_out(environment, Order::Merge))
    }
}

impl Split {
    pub fn run(self, environment: &Environment) -> anyhow::Result<Exit> {
        let order = match self.parts {
            Some(parts) => Order::Split { parts },
            None if self.amounts.is_empty() => {
                return Err(Exit::BadInput
                    .because("say how: --parts N for coins of equal worth, or the amount of each new coin"));
            }
            None => {
                let address = self.order.wallet.need(environment)?.address;
                Order::Send { payments: self.amounts.iter().map(|amount| (address, *amount)).collect() }
            }
        };
        block_on(self.order.carry_out(environment, order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pay(to: &str, amount: &str) -> anyhow::Result<(Address, Shannons)> {
        payment(&[to.to_owned(), amount.to_owned()])
    }

    #[test]
    fn a_payment_names_its_recipient_in_full_and_an_exact_amount() {
        let to = Address([0xab; 32]);
        for text in [to.to_string(), to.to_hex_prefixed()] {
            assert_eq!(pay(&text, "0.000000001").expect("a payment"), (to, Shannons(1)));
        }
        for short in ["0x5", "5", &"ab".repeat(31), ""] {
            assert!(pay(short, "1").is_err(), "{short}");
        }
        for amount in ["0", "0sh", "-1", "1e3", "all"] {
            assert!(pay(&to.to_string(), amount).is_err(), "{amount}");
        }
        assert!(payment(&[to.to_string()]).is_err());
    }
}
