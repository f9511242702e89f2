//! The stages, in the order they run. To add one, add an entry: nothing else knows their names.
//!
//! An entry is for something that exists: a stage whose program is missing fails, it is never skipped.

use super::{Stage, Work};
use crate::{floors, setup::Need, tidy};

const NONE: &[Need] = &[];

/// Cheap failures first. The limits add up to more than the deadline on purpose: each bounds one stage that hangs.
pub(super) const STAGES: &[Stage] = &[
    Stage {
        name: "fmt",
        minutes: 2,
        needs: NONE,
        work: Work::Program(&["cargo", "fmt", "--all", "--check"]),
    },
    Stage { name: "tidy", minutes: 2, needs: NONE, work: Work::Check(|| tidy::task(false)) },
    Stage {
        // Also finds a lock file that does not match the manifests.
        name: "fetch",
        minutes: 10,
        needs: NONE,
        work: Work::Program(&["cargo", "fetch", "--locked", "--target", "{host}"]),
    },
    Stage { name: "floors", minutes: 2, needs: NONE, work: Work::Check(|| floors::task(false)) },
    Stage {
        name: "clippy",
        minutes: 25,
        needs: NONE,
        work: Work::Program(&[
            "cargo",
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]),
    },
    Stage {
        // The same selection as the next stage, so that both share one set of artifacts; it also leaves
        // {target}/debug/hanse for the stages that run the product.
        name: "build",
        minutes: 40,
        needs: NONE,
        work: Work::Program(&[
            "cargo",
            "build",
            "--workspace",
            "--lib",
            "--bins",
            "--tests",
            "--locked",
        ]),
    },
    Stage {
        // The demonstration and the tests of the binary run a real registry, a real engine, the clients of both, and the
        // second verifier, as their users would.
        name: "test",
        minutes: 30,
        needs: &[
            Need::Registry,
            Need::Skopeo,
            Need::Engine,
            Need::PythonCryptography,
            Need::Openssl,
            Need::Ip,
        ],
        work: Work::Program(&["cargo", "test", "--workspace", "--locked", "--no-fail-fast"]),
    },
    Stage {
        // The second verifier, in another language, agrees on every golden vector.
        name: "verify-py",
        minutes: 3,
        needs: &[Need::PythonCryptography],
        work: Work::Program(&[
            "{python}",
            "tools/verify-py/hanse_verify.py",
            "--vectors",
            "fixtures/proof",
        ]),
    },
];
