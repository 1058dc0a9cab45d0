//! Small numbered storage: what is put in keeps its number until taken out. Decides nothing about what it holds.

/// A number handed out by a [`Slab`]; valid until removed, then reused.
pub(crate) type Id = u32;

#[derive(Debug)]
pub(crate) struct Slab<T> {
    entries: Vec<Option<T>>,
    free: Vec<Id>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(crate) fn insert(&mut self, value: T) -> Id {
        if let Some(id) = self.free.pop() {
            *self.slot(id) = Some(value);
            return id;
        }
        let id =
            Id::try_from(self.entries.len()).expect("invariant: flows are bounded far below 2^32");
        self.entries.push(Some(value));
        id
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<T> {
        let value = self.slot(id).take();
        if value.is_some() {
            self.free.push(id);
        }
        value
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        self.entries.get_mut(id as usize).and_then(Option::as_mut)
    }

    /// The entry of a number that its holder has not given back.
    pub(crate) fn at(&self, id: Id) -> &T {
        self.entries
            .get(id as usize)
            .and_then(Option::as_ref)
            .expect("invariant: held ids are live")
    }

    /// As [`Slab::at`].
    pub(crate) fn at_mut(&mut self, id: Id) -> &mut T {
        self.get_mut(id).expect("invariant: held ids are live")
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().flatten()
    }

    fn slot(&mut self, id: Id) -> &mut Option<T> {
        self.entries
            .get_mut(id as usize)
            .expect("invariant: ids come from insert")
    }
}
