//! Why a proof does not hold.

/// One variant per reason. [`ProofError::code`] is the stable word for scripts and test vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Not the one deterministic encoding of a proof: wrong CBOR, wrong Borsh inside, wrong shape for the kind.
    #[error("this is not a proof in its one valid encoding")]
    Malformed,
    /// Over a limit of [`crate::limits`].
    #[error("the proof is larger than any honest one")]
    TooLarge,
    /// The format version is not 1.
    #[error("the proof has a format version this program does not know")]
    Version,
    /// The trust root itself is unusable: keys not sorted or doubled, no member, or not of its genesis.
    #[error("the trust root is not usable")]
    TrustRoot,
    /// The proof or a header in it is of another chain.
    #[error("the proof is about another chain")]
    Chain,
    /// The proof starts from another epoch's committee than the trust root gives.
    #[error("the proof starts from another epoch than the trust root")]
    AnchorEpoch,
    /// A header is of an epoch before that of the committee trusted so far, linked headers are of several
    /// epochs, or a certificate is of another epoch than its header.
    #[error("a header or certificate is of an epoch that its committee cannot certify")]
    Epoch,
    /// A header's height is not one of its epoch.
    #[error("a header claims an epoch that its height is not in")]
    EpochHeight,
    /// A header names another committee than the trusted members in its epoch.
    #[error("a header names another committee than the one that signed")]
    Committee,
    /// The headers are not linked parent to child.
    #[error("the headers are not linked to each other")]
    Parent,
    /// Heights of linked headers do not follow each other.
    #[error("the heights of linked headers do not follow each other")]
    Height,
    /// A header has a layout this program does not know.
    #[error("a header has a layout this program does not know")]
    HeaderVersion,
    /// The signer bitmap does not fit the committee, or the signatures are not one per signer.
    #[error("the signers do not fit the committee")]
    Signers,
    /// Fewer than n − ⌊(n−1)/3⌋ members signed.
    #[error("fewer members signed than a quorum")]
    Quorum,
    /// A signature does not hold.
    #[error("a signature in the certificate is wrong")]
    Signature,
    /// A hand-over's header is not the last of its epoch or does not name the committee, the committee is not
    /// of the next epoch, or its members are none, too many or not in strict key order.
    #[error("a hand-over does not lead to the committee it claims")]
    Handover,
    /// A hand-over leads to the members it comes from: without it the proof says the same.
    #[error("a hand-over changes no member")]
    Superfluous,
    /// The certified header is below the height the trust root pins.
    #[error("the proof is older than the height pinned in the trust root")]
    Stale,
    /// A header at the pinned height has another digest.
    #[error("the chain in the proof is not the one pinned in the trust root")]
    Pinned,
    /// The claimed receipt or event is not of the block before the header that should carry it.
    #[error("the claim is about another block than its header")]
    ClaimHeight,
    /// The receipt is not under the header's receipt root.
    #[error("the receipt is not under the certified receipt root")]
    Receipt,
    /// The event is not under the header's event root.
    #[error("the event is not under the certified event root")]
    Event,
    /// A record is not under the header's state root.
    #[error("a record is not under the certified state root")]
    State,
    /// The header's state root has a layout this program does not know.
    #[error("the state root has a layout this program does not know")]
    StateVersion,
    /// A disclosed command, actor, key or value is not the one the claim commits to.
    #[error("disclosed content is not what the claim commits to")]
    Content,
    /// The record and its `next` do not enclose the key. Only when building: a proof says what its records enclose.
    #[error("the record does not show that the key is absent")]
    Absence,
    /// A record's `next` is not the key of the record after it: a key may be left out.
    #[error("the records of the range do not follow each other")]
    Range,
}

impl ProofError {
    /// The stable word for this reason.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too-large",
            Self::Version => "version",
            Self::TrustRoot => "trust-root",
            Self::Chain => "chain",
            Self::AnchorEpoch => "anchor-epoch",
            Self::Epoch => "epoch",
            Self::EpochHeight => "epoch-height",
            Self::Committee => "committee",
            Self::Parent => "parent",
            Self::Height => "height",
            Self::HeaderVersion => "header-version",
            Self::Signers => "signers",
            Self::Quorum => "quorum",
            Self::Signature => "signature",
            Self::Handover => "handover",
            Self::Superfluous => "superfluous",
            Self::Stale => "stale",
            Self::Pinned => "pinned",
            Self::ClaimHeight => "claim-height",
            Self::Receipt => "receipt",
            Self::Event => "event",
            Self::State => "state",
            Self::StateVersion => "state-version",
            Self::Content => "content",
            Self::Absence => "absence",
            Self::Range => "range",
        }
    }

    /// Whether the input is not a proof at all (exit 17), rather than a proof that does not hold (exit 16).
    pub fn is_malformed(self) -> bool {
        matches!(self, Self::Malformed | Self::TooLarge | Self::Version | Self::TrustRoot)
    }
}
