//! Faucet: a PayCoins transaction from the network's rich account.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::Mutex;
use tonic::Status;

use super::{BcsApi, HttpRequest, HttpResponse, unary};
use crate::{
    chain::{
        keys::Keypair,
        services::{CoinSent, GasRequest, GasResponse, path},
        types::{Address, TransactionKind},
    },
    devnet::{account::Account, grpc::status::Unparsable, node::Node},
};

pub(in crate::devnet) struct FaucetApi {
    /// One payment at a time: two would take the same coin.
    account: Mutex<Account>,
    amount: u64,
}

impl FaucetApi {
    pub fn new(node: Node, keypair: Keypair, amount: u64) -> Self {
        Self { account: Mutex::new(Account::new(node, keypair)), amount }
    }

    async fn request_gas(&self, request: GasRequest) -> Result<GasResponse, Status> {
        let recipient: Address = request
            .recipient
            .parse()
            .map_err(|_| Status::invalid_argument(format!("Invalid address: {}", Unparsable::Account)))?;
        let account = self.account.lock().await;
        let record = account
            .send(|coin| TransactionKind::PayCoins {
                coins: vec![coin],
                amounts: Some(vec![self.amount]),
                recipients: vec![recipient],
            })
            .await
            .map_err(|e| Status::internal(format!("the faucet cannot pay: {e}")))?;
        let effects = record.effects.v1();
        let coins_sent = effects.created().map(|(id, _)| CoinSent {
            amount: self.amount,
            id: id.to_hex_prefixed(),
            transfer_tx_digest: effects.transaction_digest.to_string(),
        });
        Ok(GasResponse { status: "Success".to_owned(), coins_sent: coins_sent.collect() })
    }
}

impl BcsApi for FaucetApi {
    const NAME: &'static str = "faucet.Faucet";

    fn call(self: Arc<Self>, path: &str, request: HttpRequest) -> Option<BoxFuture<'static, HttpResponse>> {
        (path == path::REQUEST_GAS)
            .then(|| unary(request, move |request| async move { self.request_gas(request).await }))
    }
}
