//! Members that begin with a state others had come to, and hold no block before it.

use commonware_runtime::Supervisor as _;

use super::cluster::{Cluster, run_epochs};
use crate::{Base, Config, StartError, Stored};

/// The configuration of member 3 on a new disk.
fn wiped(cluster: &Cluster, prefix: &str, verifier_only: bool) -> Config {
    let mut config = cluster.config(3);
    config.partition_prefix = prefix.to_owned();
    config.verifier_only = verifier_only;
    config
}

async fn begin(cluster: &mut Cluster, base: &Base, config: Config) {
    let fake = cluster.fake();
    fake.begin_at(&cluster.member(0).app, base.block.header.height);
    cluster.start_at(3, config, fake, Some(base.clone())).await;
}

#[test]
fn a_wiped_member_begins_in_the_middle_and_votes_again() {
    for seed in 60..67 {
        run_epochs(
            seed,
            4,
            |_, _| true,
            |mut cluster| async move {
                cluster.start_all().await;
                cluster.reach(seed - 20).await;
                cluster.crash(3).await;
                let height = cluster.member(0).handle.height();
                cluster.reach_by(&[0, 1, 2], height + 9).await;
                // Somewhere in an epoch, but not its last block; that one may be the certified one.
                let base = cluster.base(0, height / 8 * 8 + seed % 7);
                let config = wiped(&cluster, "wiped", true);
                begin(&mut cluster, &base, config.clone()).await;
                let height = cluster.member(0).handle.height();
                cluster.reach(height + 20).await;
                cluster.agree();
                // It goes on from its own disk, on top of the same base, and its vote is needed.
                cluster.crash(3).await;
                begin(&mut cluster, &base, Config { verifier_only: false, ..config }).await;
                cluster.crash(0).await;
                let height = cluster.member(1).handle.height();
                cluster.reach(height + 20).await;
                cluster.agree();
            },
        );
    }
}

#[test]
fn what_contradicts_itself_is_nothing_to_begin_with() {
    run_epochs(
        67,
        4,
        |_, _| true,
        |mut cluster| async move {
            cluster.start_all().await;
            cluster.reach(20).await;
            let good = cluster.base(0, 11);
            let open = async |name: &'static str, change: &dyn Fn(&mut Base)| {
                let mut base = good.clone();
                change(&mut base);
                let context = cluster.context.child(name);
                let stored = Stored::open(context, &wiped(&cluster, name, true)).await.unwrap();
                stored.begin_at(&base).await.err()
            };
            assert!(open("good", &|_| ()).await.is_none());
            type Change<'a> = (&'static str, &'a dyn Fn(&mut Base));
            let changes: [Change<'_>; 6] = [
                ("nothing_after", &|base| base.after.clear()),
                ("a_gap", &|base| drop(base.after.remove(0))),
                ("another_block", &|base| base.block = base.after[0].clone()),
                ("another_epoch", &|base| base.committee.epoch += 1),
                ("no_certificate", &|base| base.finalization.clear()),
                ("cut_certificate", &|base| base.finalization.truncate(100)),
            ];
            for (name, change) in changes {
                let error = open(name, change).await;
                assert!(matches!(error, Some(StartError::Base(_))), "{name}: {error:?}");
            }
        },
    );
}
