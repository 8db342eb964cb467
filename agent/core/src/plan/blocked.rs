//! Why something cannot be done now.

use crate::GenerationId;

/// Why there is no plan. Nothing has been changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// The ESP cannot hold the OS image's UKI besides those of the images that must stay.
    #[error(
        "cannot write the UKI of generation {generation} to the ESP: it needs {need} bytes with its \
         reserve, there is room for {have}"
    )]
    NotEnoughEspSpace {
        /// The generation.
        generation: GenerationId,
        /// Bytes needed.
        need: u64,
        /// Bytes free, once everything that may go is gone.
        have: u64,
    },
    /// An image failed a trial and the agent asked by itself.
    #[error(
        "cannot stage image {manifest} by itself: generation {generation} failed with it; \
         `orlop update release` lets it be tried again"
    )]
    Held {
        /// The manifest's digest.
        manifest: String,
        /// The generation that failed.
        generation: GenerationId,
    },
    /// No image whose digest begins so is on hold.
    #[error("cannot release {digest}: {}", nothing_held(.held))]
    NotHeld {
        /// What was asked for.
        digest: String,
        /// What is on hold.
        held: Vec<String>,
    },
    /// More than one image's digest begins so.
    #[error("cannot release {digest}: it stands for {}", .held.join(" and "))]
    SeveralHeld {
        /// What was asked for.
        digest: String,
        /// What it may stand for.
        held: Vec<String>,
    },
    /// No trial waits for a confirmation.
    #[error("cannot confirm: no switch waits for it")]
    NothingToConfirm,
    /// The time to confirm is over.
    #[error(
        "cannot confirm generation {generation}: the time for it is over, and the node goes back"
    )]
    TooLateToConfirm {
        /// The generation.
        generation: GenerationId,
    },
    /// There is no such generation on record.
    #[error("cannot find generation {generation}: `orlop generations` lists those on record")]
    NoSuchGeneration {
        /// Which.
        generation: GenerationId,
    },
    /// The generation cannot be gone back to.
    #[error("cannot go back to generation {generation}: it never passed its gate")]
    NotGood {
        /// Which.
        generation: GenerationId,
    },
    /// The generation is not worth keeping.
    #[error("cannot pin generation {generation}: it never passed its gate")]
    CannotPin {
        /// Which.
        generation: GenerationId,
    },
    /// There is nothing to apply.
    #[error("cannot apply: no generation is staged; `orlop update stage` stages one")]
    NothingStaged,
    /// There is nothing to go back to.
    #[error("cannot go back: there is no earlier good generation on record")]
    NothingEarlier,
    /// The generation runs already.
    #[error("cannot switch to generation {generation}: it runs already")]
    AlreadyThere {
        /// Which.
        generation: GenerationId,
    },
    /// The staged generation is, image by image, the one that runs.
    #[error(
        "cannot stage: generation {generation} runs already and has the same OS, config and containers"
    )]
    NothingNew {
        /// Which.
        generation: GenerationId,
    },
    /// A switch is under way.
    #[error(
        "cannot do this now: generation {generation} is on trial; wait for its verdict, or roll back"
    )]
    TrialUnderWay {
        /// The one on trial.
        generation: GenerationId,
    },
    /// There is no switch to go on with, to judge or to end.
    #[error("cannot go on with a switch: none is under way")]
    NoTrial,
    /// The OS image of a generation is not in the store.
    #[error(
        "cannot write the UKI of generation {generation}: the store does not have its OS image"
    )]
    NoUki {
        /// The generation.
        generation: GenerationId,
    },
    /// A live swap was asked for, and the kernel would have to be another.
    #[error(
        "cannot switch to generation {generation} live: it has another kernel, initrd or kernel \
         arguments than what runs; `--mode reboot` restarts the machine"
    )]
    NotLive {
        /// The generation.
        generation: GenerationId,
    },
    /// The first generation's OS image is not the one that runs.
    #[error(
        "cannot begin with generation {generation}: another OS image runs than the one it names"
    )]
    OtherImageRuns {
        /// The generation.
        generation: GenerationId,
    },
    /// There is no current generation to switch from.
    #[error("cannot switch: the node has no generation yet")]
    NothingRuns,
}

fn nothing_held(held: &[String]) -> String {
    match held {
        [] => "no image is on hold".to_owned(),
        held => format!("it is not on hold; on hold: {}", held.join(", ")),
    }
}
