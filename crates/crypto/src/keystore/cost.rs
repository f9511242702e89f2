//! How much work one guess of a password is made to take.

use argon2::Params;

/// Least memory, in KiB, and least passes: the weakest of the settings that OWASP's password
/// storage cheat sheet calls equivalent (19 MiB, 2 passes).
const M_KIB_LEAST: u32 = 19 * 1024;
const T_LEAST: u32 = 2;
/// Most memory, in KiB (1 GiB): a file from elsewhere must not exhaust the machine that opens it.
const M_KIB_MOST: u32 = 1024 * 1024;
/// Most passes, and most lanes, for the same reason.
const T_MOST: u32 = 16;
const P_MOST: u32 = 16;

/// Argon2id's parameters, within bounds: memory 19 MiB to 1 GiB, passes 2 to 16, lanes 1 to 16.
/// The default (64 MiB, 3 passes, 1 lane) is the memory-constrained choice of RFC 9106 section 4
/// with one lane, since one thread computes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    m_kib: u32,
    t: u32,
    p: u32,
}

impl Default for Cost {
    fn default() -> Self {
        Self { m_kib: 64 * 1024, t: 3, p: 1 }
    }
}

/// Why a cost is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// Memory below 19 MiB, fewer than 2 passes, or no lane.
    #[error("m_kib={m_kib} t={t} p={p} is too little to protect a password")]
    TooLittle { m_kib: u32, t: u32, p: u32 },
    /// Memory above 1 GiB, more than 16 passes, or more than 16 lanes.
    #[error("m_kib={m_kib} t={t} p={p} is more than any key file needs")]
    TooMuch { m_kib: u32, t: u32, p: u32 },
}

impl Cost {
    /// Memory in KiB, passes and lanes.
    pub fn new(m_kib: u32, t: u32, p: u32) -> Result<Self, CostError> {
        #[cfg(any(test, feature = "test-cost"))]
        if (Self { m_kib, t, p }) == Self::test() {
            return Ok(Self::test());
        }
        if m_kib < M_KIB_LEAST || t < T_LEAST || p < 1 {
            return Err(CostError::TooLittle { m_kib, t, p });
        }
        if m_kib > M_KIB_MOST || t > T_MOST || p > P_MOST {
            return Err(CostError::TooMuch { m_kib, t, p });
        }
        Ok(Self { m_kib, t, p })
    }

    /// Almost no work, for tests. Exists only with the feature `test-cost`, without which a file
    /// sealed so is refused by [`Cost::new`] and cannot be opened.
    #[cfg(any(test, feature = "test-cost"))]
    pub fn test() -> Self {
        Self { m_kib: 8, t: 1, p: 1 }
    }

    /// Memory in KiB.
    pub fn m_kib(self) -> u32 {
        self.m_kib
    }

    /// Passes over the memory.
    pub fn t(self) -> u32 {
        self.t
    }

    /// Lanes.
    pub fn p(self) -> u32 {
        self.p
    }

    pub(super) fn params(self, output: usize) -> Params {
        Params::new(self.m_kib, self.t, self.p, Some(output))
            .expect("the bounds of a cost are within those of argon2")
    }
}
