//! What a member that only follows an epoch says in it: nothing.

use std::time::SystemTime;

use commonware_p2p::{LimitedSender, Recipients};

/// A sender that may be mute.
///
/// Whoever does not vote does not pass certificates on either: the engine takes those for a sign that a member takes part,
/// and would wait for its proposals in each view it leads (`simplex::actors::batcher`, `record_peer_activity`). The members
/// that vote send the same certificates.
#[derive(Clone, Debug)]
pub(crate) struct Voice<S> {
    inner: S,
    mute: bool,
}

impl<S> Voice<S> {
    pub(crate) fn new(inner: S, mute: bool) -> Self {
        Self { inner, mute }
    }
}

impl<S: LimitedSender> LimitedSender for Voice<S> {
    type PublicKey = S::PublicKey;
    type Checked<'a>
        = S::Checked<'a>
    where
        Self: 'a;

    fn check(
        &mut self,
        recipients: Recipients<Self::PublicKey>,
    ) -> Result<Self::Checked<'_>, SystemTime> {
        let recipients = if self.mute { Recipients::Some(Vec::new()) } else { recipients };
        self.inner.check(recipients)
    }
}
