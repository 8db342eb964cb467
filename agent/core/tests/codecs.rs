//! Properties of what is read and written: names and contents of boot entries, versions, and the
//! node state. Every reader stands any bytes.

use orlop_config::Digest;
use orlop_core::boot::{BootSequence, Counter, Entry, EntryFile, EntryName, loader};
use orlop_core::{Generation, NodeState, Verdict};
use proptest::prelude::*;

fn any_counter() -> impl Strategy<Value = Option<Counter>> {
    prop::option::of((0..100_u32, 0..100_u32).prop_map(|(left, done)| Counter { left, done }))
}

fn any_file() -> impl Strategy<Value = EntryFile> {
    (1..6_u64, any_counter()).prop_map(|(sequence, counter)| {
        let root = Digest::of(b"root").hex().parse().expect("64 hex digits");
        Entry::new("1", BootSequence(sequence), root).file(counter)
    })
}

fn name(file: &EntryFile) -> EntryName {
    file.name.parse().expect("it was written as one")
}

proptest! {
    #[test]
    fn an_entry_name_is_read_back_as_written(sequence in any::<u64>(), counter in any_counter()) {
        let name = EntryName { sequence: BootSequence(sequence), counter };
        prop_assert_eq!(name.to_string().parse(), Ok(name));
    }

    #[test]
    fn an_entry_is_read_back_as_written(version in "[ -~]{1,20}", sequence in any::<u64>()) {
        let root = Digest::of(version.as_bytes()).hex().parse().expect("64 hex digits");
        let entry = Entry::new(&version, BootSequence(sequence), root);
        prop_assert_eq!(Entry::read(&entry.content()), Some(entry));
    }

    #[test]
    fn every_reader_stands_any_text(text in "\\PC{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = (text.parse::<EntryName>(), Entry::read(&text));
        let _ = (NodeState::decode(&bytes).is_ok(), Verdict::decode(&bytes).is_ok());
        let _ = Generation::decode(&bytes).is_ok();
        let file = EntryFile { name: format!("{text}.conf"), content: format!("{text}\nefi /x") };
        let _ = loader::choose(&[file], |_| true);
    }

    /// The whole policy in a sentence, against the model of the boot loader.
    #[test]
    fn the_newest_entry_with_a_try_left_or_none_needed_boots(files in prop::collection::vec(any_file(), 1..6)) {
        let choice = loader::choose(&files, |_| true).expect("there are entries");
        let chosen = name(&choice.entry);
        let usable = |file: &&EntryFile| name(file).counter.is_none_or(|counter| counter.left > 0);
        let newest = files.iter().filter(usable).map(|file| name(file).sequence).max();
        if let Some(newest) = newest {
            prop_assert_eq!(chosen.sequence, newest);
        }
        match (chosen.counter, choice.rename) {
            (None, rename) => prop_assert_eq!(rename, None),
            (Some(counter), rename) => {
                let next = Counter { left: counter.left.saturating_sub(1), done: counter.done + 1 };
                let renamed = EntryName { counter: Some(next), ..chosen };
                prop_assert_eq!(rename, Some(renamed.to_string()));
            }
        }
    }
}
