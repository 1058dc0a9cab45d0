//! Decides how a compiled base is written: the names' text as it is laid out, then everything else, the head last of all, and
//! nothing has its name before it is on the disk.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::format::{BLOCK, EXCEPTIONS, HEAD, Head, Kind, Section, sum};
use super::meta::Meta;
use crate::build::compile::Compiled;
use crate::keywords::Keywords;
use crate::store::Flat;

/// A file on its way. As a [`Write`] it takes the text of the entries' names.
pub(super) struct Writer {
    file: File,
    /// The block being filled; those before it are written.
    block: Vec<u8>,
    sums: Vec<u64>,
    sections: Vec<Section>,
}

impl Writer {
    pub(super) fn create(path: &Path) -> io::Result<Writer> {
        let mut file = File::create(path)?;
        file.write_all(&[0; HEAD])?;
        Ok(Writer {
            file,
            block: Vec::with_capacity(BLOCK),
            sums: Vec::new(),
            sections: Vec::new(),
        })
    }

    /// Where the next byte goes.
    fn at(&self) -> u64 {
        (HEAD + self.sums.len() * BLOCK + self.block.len()) as u64
    }

    /// Writes the rest and makes it last.
    pub(super) fn finish(mut self, compiled: &Compiled) -> io::Result<()> {
        let text = Section {
            kind: Kind::Text as u32,
            start: HEAD as u64,
            length: self.at() - HEAD as u64,
        };
        self.sections.push(text);
        self.regions(&compiled.entries, 0)?;
        let exceptions = Kind::Text as u32 + EXCEPTIONS;
        self.section(exceptions, |out| out.write_all(&compiled.exceptions_text))?;
        self.regions(&compiled.exceptions, EXCEPTIONS)?;
        let mut keywords = Vec::new();
        for (tag, keyword) in &compiled.keywords {
            Keywords::write(*tag, &keyword.listed, &mut keywords);
        }
        self.section(Kind::Keywords as u32, |out| out.write_all(&keywords))?;
        let top_levels = (compiled.entries.top_levels, compiled.exceptions.top_levels);
        let meta = serde_json::to_vec(&Meta::of(&compiled.rest, top_levels))?;
        self.section(Kind::Meta as u32, |out| out.write_all(&meta))?;
        let end = self.at();
        self.close()?;
        let sums: Vec<u8> = self.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
        self.file.write_all(&sums)?;
        let head = Head {
            end,
            sums: sum(&sums),
            sections: self.sections,
        };
        self.file.write_all_at(&head.write(), 0)?;
        self.file.sync_all()
    }

    fn regions(&mut self, flat: &Flat, more: u32) -> io::Result<()> {
        self.section(Kind::Names as u32 + more, |out| flat.names.write(out))?;
        let mut addresses = Vec::new();
        flat.addresses.write(&mut addresses);
        self.section(Kind::Addresses as u32 + more, |out| {
            out.write_all(&addresses)
        })?;
        let laid = flat.urls.laid();
        for (kind, bytes) in [
            (Kind::Groups, &laid.groups),
            (Kind::Urls, &laid.entries),
            (Kind::UrlText, &laid.text),
        ] {
            self.section(kind as u32 + more, |out| out.write_all(bytes.all()))?;
        }
        Ok(())
    }

    fn section(
        &mut self,
        kind: u32,
        write: impl FnOnce(&mut Writer) -> io::Result<()>,
    ) -> io::Result<()> {
        let start = self.at();
        write(self)?;
        let length = self.at() - start;
        self.sections.push(Section {
            kind,
            start,
            length,
        });
        Ok(())
    }

    /// Writes the block, full or not.
    fn close(&mut self) -> io::Result<()> {
        if !self.block.is_empty() {
            self.sums.push(sum(&self.block));
            self.file.write_all(&self.block)?;
            self.block.clear();
        }
        Ok(())
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = BLOCK - self.block.len();
        let part = bytes.get(..room).unwrap_or(bytes);
        self.block.extend_from_slice(part);
        if self.block.len() == BLOCK {
            self.close()?;
        }
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
