//! The task that turns the engine's reports into commits, apart from the task that votes.

use commonware_actor::Feedback;
use commonware_consensus::{Heightable as _, Reporter, marshal::Update};
use commonware_cryptography::Digested;
use commonware_utils::{
    acknowledgement::{Acknowledgement as _, Exact},
    channel::mpsc,
};
use std::sync::Arc;

use crate::{
    EngineBlock,
    engine::{Finalization, Mailbox},
    network::Track,
    spine::Spine,
};

/// What the engine reports. The queue holds at most marshal's unacknowledged blocks and one certificate per view in
/// flight, both bounded by the engine; so it has no limit of its own.
pub(crate) enum Report {
    /// A certificate was assembled or verified just now.
    Certificate(Finalization),
    /// Marshal stored the next block durably.
    Delivered(Digested<EngineBlock>, Exact),
}

/// Where marshal reports to.
#[derive(Clone)]
pub(crate) struct Deliveries(pub(crate) mpsc::UnboundedSender<Report>);

impl Reporter for Deliveries {
    type Activity = Update<EngineBlock>;

    fn report(&mut self, update: Update<EngineBlock>) -> Feedback {
        let Update::Block(block, ack) = update else {
            return Feedback::Ok;
        };
        match self.0.send(Report::Delivered(block, ack)) {
            Ok(()) => Feedback::Ok,
            Err(_) => Feedback::Closed,
        }
    }
}

/// Runs until the engine ends. Returns early, which stops the member, if the engine's order has a gap.
pub(crate) async fn run(
    spine: Arc<Spine>,
    marshal: Mailbox,
    mut reports: mpsc::UnboundedReceiver<Report>,
    mut track: Track,
) {
    loop {
        // Also before the first report: what was replayed may name others than the configuration does.
        if let Some(contacts) = spine.app.contacts() {
            track(contacts);
        }
        let Some(report) = reports.recv().await else { return };
        match report {
            Report::Certificate(finalization) => spine.certificate(&finalization),
            Report::Delivered(block, ack) => {
                let inner = block.inner();
                let finalization = if spine.settled_without_archive(inner) {
                    None
                } else {
                    marshal.get_finalization(block.height()).await
                };
                if !spine.delivered(inner, finalization.as_ref()) {
                    tracing::error!(
                        height = block.height().get(),
                        "finalised block does not follow the tip"
                    );
                    return;
                }
                ack.acknowledge();
            }
        }
    }
}
