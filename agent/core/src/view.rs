//! What callers see of the core's types.

use crate::{CheckSeen, ContainerImage, Generation, GenerationStatus, OsImage, Trigger, Verdict};
use orlop_api::{CheckView, GenerationView, ImageView, VerdictView};
use std::collections::BTreeSet;

impl From<GenerationStatus> for orlop_api::GenerationStatus {
    fn from(status: GenerationStatus) -> Self {
        match status {
            GenerationStatus::Staged => Self::Staged,
            GenerationStatus::Trial => Self::Trial,
            GenerationStatus::Good => Self::Good,
            GenerationStatus::Failed => Self::Failed,
        }
    }
}

impl From<&OsImage> for ImageView {
    fn from(image: &OsImage) -> Self {
        Self {
            reference: image.reference.clone(),
            manifest: image.manifest.to_string(),
            root: image.root.to_string(),
            version: Some(image.version.clone()),
        }
    }
}

impl From<&ContainerImage> for ImageView {
    fn from(image: &ContainerImage) -> Self {
        Self {
            reference: image.reference.clone(),
            manifest: image.manifest.to_string(),
            root: image.root.to_string(),
            version: None,
        }
    }
}

impl From<Trigger> for orlop_api::Trigger {
    fn from(trigger: Trigger) -> Self {
        match trigger {
            Trigger::Gate => Self::Gate,
            Trigger::Check { check, detail } => Self::Check { check, detail },
            Trigger::BootCounter { tries } => Self::BootCounter { tries },
            Trigger::Unconfirmed { within_secs } => Self::Unconfirmed { within_secs },
            Trigger::Operator { caller } => Self::Operator { caller },
            Trigger::Switch { detail } => Self::Switch { detail },
            Trigger::Panic { text } => Self::Panic { text },
            Trigger::Watchdog => Self::Watchdog,
            Trigger::AgentCrash { detail } => Self::AgentCrash { detail },
            Trigger::Initrd { detail } => Self::Initrd { detail },
            Trigger::Other(_) => Self::Other,
        }
    }
}

impl From<&CheckSeen> for CheckView {
    fn from(seen: &CheckSeen) -> Self {
        Self {
            name: seen.name.clone(),
            pass: seen.pass,
            detail: seen.detail.clone(),
        }
    }
}

impl From<&CheckView> for CheckSeen {
    fn from(view: &CheckView) -> Self {
        Self {
            name: view.name.clone(),
            pass: view.pass,
            detail: view.detail.clone(),
        }
    }
}

impl From<&Verdict> for VerdictView {
    fn from(verdict: &Verdict) -> Self {
        Self {
            generation: verdict.generation.0,
            good: verdict.good,
            running: verdict.running.0,
            trigger: verdict.trigger.clone().into(),
            at: verdict.at.0,
            log: verdict.log.clone(),
            checks: verdict.checks.iter().map(Into::into).collect(),
        }
    }
}

/// A generation as callers see it. `running` is the id of the one that runs
/// ([`NodeState::running`](crate::NodeState::running)), `pinned` those that are pinned.
pub fn generation_view(
    generation: &Generation,
    status: GenerationStatus,
    running: Option<crate::GenerationId>,
    pinned: &BTreeSet<crate::GenerationId>,
) -> GenerationView {
    GenerationView {
        id: generation.id.0,
        status: status.into(),
        current: running == Some(generation.id),
        pinned: pinned.contains(&generation.id),
        os: (&generation.os).into(),
        config: generation.config.to_string(),
        containers: generation
            .containers
            .iter()
            .map(|(name, image)| (name.clone(), image.into()))
            .collect(),
        created: generation.created.0,
        origin: generation.origin.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GenerationId, Origin, Timestamp, sample};

    #[test]
    fn a_generation_is_shown_with_its_images_and_whether_it_runs() {
        let generation = Generation {
            origin: Origin::FirstBoot,
            ..sample::generation(3, "1.2")
        };
        let view = generation_view(
            &generation,
            GenerationStatus::Good,
            Some(GenerationId(3)),
            &BTreeSet::from([generation.id]),
        );
        assert_eq!((view.id, view.current, view.pinned), (3, true, true));
        assert_eq!(view.status, orlop_api::GenerationStatus::Good);
        assert_eq!(view.os.version.as_deref(), Some("1.2"));
        assert_eq!(view.os.manifest, generation.os.manifest.as_str());
        assert_eq!(
            view.containers["web"].reference,
            "registry.example.com/web:1.4"
        );
        assert_eq!(view.origin, "first boot");
        let other = generation_view(
            &generation,
            GenerationStatus::Failed,
            Some(GenerationId(4)),
            &BTreeSet::new(),
        );
        assert!(!other.current && !other.pinned);
    }

    #[test]
    fn a_verdict_is_shown_as_it_is_on_record() {
        let verdict = Verdict {
            format: 1,
            number: 9,
            generation: GenerationId(3),
            good: false,
            running: GenerationId(2),
            trigger: Trigger::BootCounter { tries: 3 },
            at: Timestamp(1000),
            log: vec!["last words".to_owned()],
            checks: vec![],
        };
        let view = VerdictView::from(&verdict);
        assert_eq!(
            (view.generation, view.good, view.running, view.at),
            (3, false, 2, 1000)
        );
        assert_eq!(view.trigger, orlop_api::Trigger::BootCounter { tries: 3 });
        assert_eq!(view.log, ["last words"]);
    }
}
