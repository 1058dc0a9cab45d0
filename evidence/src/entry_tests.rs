#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::checkpoint::tests::sample;
use crate::{SigningKey, VerifierKey, leaf_hash};

/// A log that grows by given numbers of leaves, each checkpoint signed.
struct Grown {
    key: SigningKey,
    log: Log,
    tree: Span,
    entries: Vec<Entry>,
}

impl Grown {
    fn new() -> Grown {
        Grown {
            key: SigningKey::from_seed("weir/weir/00ff", [1; 32]).unwrap(),
            log: Log::default(),
            tree: Span::new(0),
            entries: Vec::new(),
        }
    }

    fn next(&mut self, leaves: u64, change: impl FnOnce(&mut Checkpoint)) -> Entry {
        let mut stretch = Span::new(self.tree.end());
        for number in stretch.start()..stretch.start() + leaves {
            stretch.push(leaf_hash(&number.to_be_bytes()));
        }
        let mut tree = self.tree.clone();
        tree.join(&stretch).unwrap();
        let mut checkpoint = Checkpoint {
            size: tree.end(),
            root: tree.root().unwrap(),
            first: 3,
            last: tree.end() + 2,
            key: self.entries.is_empty().then(|| self.key.verifier().clone()),
            tag_key: self.entries.is_empty().then(|| Hash::of(b"tags")),
            ..sample(self.entries.len() as u64 + 1, self.log.previous)
        };
        change(&mut checkpoint);
        Entry {
            note: Note::sign(checkpoint.to_text(), &[&self.key]),
            checkpoint,
            subtrees: stretch.nodes().to_vec(),
        }
    }

    fn grow(&mut self, leaves: u64) -> &mut Grown {
        let entry = self.next(leaves, |_| ());
        let stretch = self.log.follow(&entry).unwrap();
        self.tree.join(&stretch).unwrap();
        self.entries.push(entry);
        self
    }
}

#[test]
fn entries_read_back_from_one_file_and_continue_each_other_lm_29() {
    let mut grown = Grown::new();
    grown.grow(5).grow(0).grow(1).grow(300);
    let file: String = grown.entries.iter().map(Entry::to_text).collect();
    let mut log = Log::default();
    let mut places = Vec::new();
    let torn = &file.as_bytes()[..file.len() - 1];
    entries(&mut io::Cursor::new(&file), &mut |at, text| {
        places.push(at);
        let entry = Entry::parse(std::str::from_utf8(text).unwrap()).unwrap();
        log.follow(&entry).unwrap();
        Ok(())
    })
    .unwrap();
    assert_eq!(log.tree, grown.tree);
    assert_eq!(places.len(), 4);
    let mut whole = 0;
    entries(&mut io::Cursor::new(torn), &mut |at, text| {
        let text = std::str::from_utf8(text).unwrap();
        whole += usize::from(Entry::parse(text).is_ok());
        assert!(at < places[3] || Entry::parse(text) == Err(EntryError::Form));
        Ok(())
    })
    .unwrap();
    assert_eq!(whole, 3, "a torn entry is none");
}

#[test]
fn what_does_not_continue_the_log_is_refused_and_changes_nothing_lm_31() {
    let mut grown = Grown::new();
    grown.grow(5).grow(7);
    let other: VerifierKey = SigningKey::from_seed("weir/weir/00ff", [2; 32])
        .unwrap()
        .verifier()
        .clone();
    type Change = Box<dyn FnOnce(&mut Checkpoint)>;
    let changes: Vec<(&str, Change)> = vec![
        ("stands where", Box::new(|it| it.number = 5)),
        ("continues another", Box::new(|it| it.previous = None)),
        ("another log", Box::new(|it| it.origin.push('x'))),
        ("another log", Box::new(|it| it.first = 2)),
        ("its size or rows", Box::new(|it| it.size = 2)),
        ("its size or rows", Box::new(|it| it.last = 2)),
        ("its size or rows", Box::new(|it| it.last = 15)),
        ("subtrees, not", Box::new(|it| it.size = 15)),
        ("its root", Box::new(|it| it.root = Hash::of(b""))),
        ("only the first", Box::new(move |it| it.key = Some(other))),
    ];
    for (expected, change) in changes {
        let entry = grown.next(4, change);
        let before = format!("{:?}", grown.log);
        let error = grown.log.follow(&entry).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(format!("{:?}", grown.log), before);
    }
    grown.grow(4);
}

#[test]
fn old_entries_sealed_again_under_a_newer_key_are_refused_lm_31() {
    let mut grown = Grown::new();
    let newer = SigningKey::from_seed("weir/weir/00ff", [2; 32]).unwrap();
    grown.grow(5);
    // Before it is introduced, the newer key counts for nothing.
    let honest = std::mem::replace(&mut grown.key, newer);
    let early = grown.next(1, |_| ());
    assert!(matches!(
        grown.log.follow(&early),
        Err(EntryError::Signature(_))
    ));
    let newer = std::mem::replace(&mut grown.key, honest);
    let public = newer.verifier().clone();
    let rotation = grown.next(1, |it| it.next_key = Some(public));
    let stretch = grown.log.follow(&rotation).unwrap();
    grown.tree.join(&stretch).unwrap();
    grown.entries.push(rotation);
    // After it, the older one does.
    let late = grown.next(1, |_| ());
    assert!(matches!(
        grown.log.follow(&late),
        Err(EntryError::Signature(_))
    ));
    grown.key = newer;
    grown.grow(1);
    // What was sealed before the rotation and is sealed again with the newer key.
    let mut again = Log::default();
    let first = &grown.entries[0];
    let sealed_again = Entry {
        note: Note::sign(first.note.text().to_owned(), &[&grown.key]),
        ..first.clone()
    };
    assert!(matches!(
        again.follow(&sealed_again),
        Err(EntryError::Signature(_))
    ));
}

proptest! {
    #[test]
    fn no_bytes_make_reading_fail_otherwise_than_by_an_error(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        noise in any::<String>(),
        numbers in any::<[u64; 5]>(),
    ) {
        let mut grown = Grown::new();
        grown.grow(5).grow(3);
        let text: String = grown.entries.iter().map(Entry::to_text).collect();
        let mut changed = text.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] = byte;
        let mut log = Log::default();
        let mut whole = 0;
        entries(&mut changed.as_slice(), &mut |_, bytes| {
            let entry = std::str::from_utf8(bytes).ok().and_then(|text| Entry::parse(text).ok());
            whole += usize::from(entry.is_some_and(|entry| log.follow(&entry).is_ok()));
            Ok(())
        }).unwrap();
        prop_assert_eq!(whole == 2, changed == text.as_bytes());
        prop_assert!(Entry::parse(&noise).is_err());
        // Numbers that no log has are refused like any others.
        let [number, size, first, last, every] = numbers;
        let entry = grown.next(2, |it| {
            (it.number, it.size, it.first, it.last, it.every) = (number, size, first, last, every);
        });
        prop_assert!(grown.log.follow(&entry).is_err());
        prop_assert!(Entry::parse(&entry.to_text()).is_ok());
    }
}
