//! Who answers, since when not, and what keeps us from signing.

use crate::{
    api::{Level, LogKind, ServerName, Upstream},
    chain::client::KNOWN_PROTOCOL,
    engine::now_ms,
};

use super::{Dispatcher, Halt};

/// A node shows checkpoints in leaps: so many behind is not yet a node that lags.
const LAG: u64 = 25;

#[derive(Debug, Default)]
pub(super) struct Health {
    pub upstreams: Vec<Upstream>,
    /// The chain that the node serves now, if it is not ours.
    pub foreign: Option<String>,
    /// What ended the engine.
    pub halt: Option<String>,
    /// The protocol, newer than ours, that the user has accepted: it, and none after it.
    pub accepted: Option<u64>,
}

impl Health {
    pub fn new(rpc_url: &str, store_url: Option<String>, accepted: Option<u64>) -> Self {
        let upstream = |name, url: &str| Upstream { name, url: url.to_owned(), last_heard_ms: None, trouble: None };
        let mut upstreams = vec![upstream(ServerName::Node, rpc_url), upstream(ServerName::Checkpoints, rpc_url)];
        upstreams.extend(store_url.map(|url| upstream(ServerName::Objects, &url)));
        Self { upstreams, accepted, ..Self::default() }
    }

    fn of(&mut self, name: ServerName) -> Option<&mut Upstream> {
        self.upstreams.iter_mut().find(|upstream| upstream.name == name)
    }

    /// It answered. Gives whether that ends a trouble.
    pub fn heard(&mut self, name: ServerName) -> bool {
        let Some(upstream) = self.of(name) else { return false };
        upstream.last_heard_ms = Some(now_ms());
        upstream.trouble.take().is_some()
    }

    /// Gives whether this is new.
    pub fn ails(&mut self, name: ServerName, trouble: &str) -> bool {
        let Some(upstream) = self.of(name) else { return false };
        let is_new = upstream.trouble.as_deref() != Some(trouble);
        upstream.trouble = Some(trouble.to_owned());
        is_new
    }
}

impl Dispatcher {
    /// The protocol that the network speaks, if it is newer than ours and not the one that the user has accepted.
    pub(super) fn unaccepted_protocol(&self) -> Option<u64> {
        let spoken = self.chain.state.as_ref()?.protocol_version;
        (spoken > KNOWN_PROTOCOL && self.health.accepted != Some(spoken)).then_some(spoken)
    }

    /// Why nothing may be signed, whoever approves.
    pub(super) fn why_held(&self) -> Option<String> {
        if let Some(found) = &self.health.foreign {
            return Some(format!(
                "the node serves another chain, {found}: nothing is read or signed until it serves {} again",
                self.chain.chain_id
            ));
        }
        let spoken = self.unaccepted_protocol()?;
        Some(format!(
            "the network speaks protocol {spoken} and this program knows up to {KNOWN_PROTOCOL}: nothing is signed until \
             you accept that"
        ))
    }

    /// What the screen shows as trouble: the gravest.
    pub(super) fn trouble(&self) -> Option<String> {
        let upstreams = self.health.upstreams.iter();
        let ailing = || upstreams.filter_map(|u| Some(format!("{}: {}", u.name.word(), u.trouble.as_ref()?))).next();
        self.health.halt.clone().or_else(|| self.why_held()).or_else(ailing)
    }

    pub(super) fn heard(&mut self, name: ServerName) {
        self.dirty |= self.health.heard(name);
    }

    pub(super) async fn ails(&mut self, name: ServerName, trouble: &str) -> Result<(), Halt> {
        if self.health.ails(name, trouble) {
            self.dirty = true;
            self.log_about(LogKind::Network, Level::Warning, format!("{}: {trouble}", name.word())).await?;
        }
        Ok(())
    }

    /// The node says which chain it serves. Gives whether it is ours; the first that is ever heard of is.
    pub(super) async fn chain_named(&mut self, found: &str) -> Result<bool, Halt> {
        if self.chain.chain_id.is_empty() {
            self.chain.chain_id = self.journal.settle_meta("chain", found.to_owned()).await?;
            self.watch.pin(&self.chain.chain_id);
            // What came before was not listened to.
            self.watch.poke_full();
            self.dirty = true;
        }
        if self.chain.chain_id != found {
            self.is_foreign(found.to_owned()).await?;
            return Ok(false);
        }
        if self.health.foreign.take().is_some() {
            self.log_about(LogKind::Network, Level::Info, format!("the node serves our chain {found} again")).await?;
            self.watch.poke_full();
        }
        Ok(true)
    }

    pub(super) async fn is_foreign(&mut self, found: String) -> Result<(), Halt> {
        if self.health.foreign.as_ref() != Some(&found) {
            let pinned = self.chain.chain_id.clone();
            let text = format!("the node serves the chain {found}; this directory belongs to {pinned}: all work waits");
            self.health.foreign = Some(found);
            self.log_about(LogKind::Network, Level::Error, text).await?;
        }
        Ok(())
    }

    /// Whether a node is so far behind what was shown before that its lists are of the past.
    pub(super) async fn is_behind(&mut self, height: u64) -> Result<bool, Halt> {
        if height.saturating_add(LAG) >= self.chain.height {
            return Ok(false);
        }
        let text = format!("it is behind: it shows checkpoint {height}, and {} was seen before", self.chain.height);
        self.ails(ServerName::Node, &text).await?;
        Ok(true)
    }

    /// The user knows what a newer protocol may mean.
    pub(super) async fn accept_protocol(&mut self, version: u64) -> Result<(), Halt> {
        if self.unaccepted_protocol() != Some(version) {
            let text = format!("protocol {version} is not what the network speaks, or is accepted already");
            return self.log_about(LogKind::Network, Level::Warning, text).await;
        }
        self.journal.set_meta(ACCEPTED, version.to_string()).await?;
        self.health.accepted = Some(version);
        self.log_about(LogKind::Network, Level::Warning, format!("protocol {version} is accepted: signing goes on"))
            .await
    }

    /// A newer protocol is told once.
    pub(super) async fn review_protocol(&mut self, before: Option<u64>) -> Result<(), Halt> {
        let now = self.unaccepted_protocol();
        match (now == before, now, self.why_held()) {
            (false, Some(_), Some(why)) => self.log_about(LogKind::Network, Level::Warning, why).await,
            _ => Ok(()),
        }
    }
}

/// Where the journal keeps the accepted protocol.
pub(super) const ACCEPTED: &str = "accepted_protocol";
