//! The record: one table declares every field with its type, column, grade and unit (LM-04, LM-07).
//!
//! `record!` makes of the table the [`Record`] that callers fill, the columns it is encoded to, the [`Col`] names that readers
//! use, the schema with its metadata, and a `Debug` that shows no content (LM-10). A row of the table without a grade is not
//! matched by the macro, so it does not compile. What is put into a record is decided by the proxy.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt16Type, UInt32Type, UInt64Type};
use arrow::error::ArrowError;

use crate::column::{
    Address, Column, Content, Event, Flag, Graded, Id, MaybeNumber, MaybePath, MaybeTerm,
    MaybeText, Moment, Number, OneOf, Repeated, Text,
};
use crate::content::Kept;
use crate::event::EventId;
use crate::words::{Confidence, End, Identity, Informed, Initiator, Kind, Verdict};

/// A grade of the table as a type; any other word is an error at compile time.
macro_rules! grade {
    (event) => {
        Event
    };
    (content) => {
        Content
    };
}

/// A field as `Debug` may show it.
macro_rules! shown {
    (event, $value:expr) => {
        &$value
    };
    (content, $value:expr) => {
        &$value.as_ref().map(|_| "(content)")
    };
}

macro_rules! record {
    (
        recorder { $($(#[doc = $rdoc:literal])+ $rname:ident => $rcells:ty, $rgrade:ident, $runit:literal;)+ }
        caller { $($(#[doc = $doc:literal])+ $name:ident: $ty:ty => $cells:ty, $grade:ident, $unit:literal;)+ }
    ) => {
        /// One row, before the recorder adds `seq` and `node`.
        ///
        /// The fields are the table of `docs/records.md`. Texts are scrubbed and bounded when they are written. A content-grade
        /// field takes nothing but what a [`Permit`](crate::Permit) let in (LM-04), and `Debug` never shows it (LM-10):
        ///
        /// ```compile_fail
        /// use weir_monitoring::{EventIds, Kind, Record};
        /// let mut record = Record::new(Kind::Request, EventIds::new().next(), 0);
        /// record.path = Some("/page".into());
        /// ```
        #[derive(Clone)]
        pub struct Record {
            $($(#[doc = $doc])+ pub $name: $ty,)+
        }

        impl std::fmt::Debug for Record {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct("Record")$(.field(stringify!($name), shown!($grade, self.$name)))+.finish()
            }
        }

        /// A column by the name it has at rest.
        #[expect(non_camel_case_types, reason = "the names are the columns' own")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Col {
            $($(#[doc = $rdoc])+ $rname,)+
            $($(#[doc = $doc])+ $name,)+
        }

        impl Col {
            /// Every column, in the order of the schema.
            pub const ALL: &'static [Col] = &[$(Col::$rname,)+ $(Col::$name,)+];

            /// The name at rest.
            pub fn name(self) -> &'static str {
                match self { $(Col::$rname => stringify!($rname),)+ $(Col::$name => stringify!($name),)+ }
            }
        }

        /// Every column with its grade, in the order of the schema.
        pub fn columns() -> &'static [Column] {
            static COLUMNS: LazyLock<Vec<Column>> = LazyLock::new(|| vec![
                $(Graded::<grade!($rgrade), $rcells>::column(stringify!($rname), $runit, concat!($($rdoc),+)),)+
                $(Graded::<grade!($grade), $cells>::column(stringify!($name), $unit, concat!($($doc),+)),)+
            ]);
            &COLUMNS
        }

        /// A batch under construction; used again after every [`Rows::finish`].
        #[derive(Default)]
        pub(crate) struct Rows {
            count: usize,
            $($rname: Graded<grade!($rgrade), $rcells>,)+
            $($name: Graded<grade!($grade), $cells>,)+
        }

        impl Rows {
            /// Adds one row.
            pub(crate) fn append(&mut self, seq: u64, node: &str, record: &Record) {
                let flagged = record.is_flagged();
                self.count += 1;
                self.seq.append(flagged, &seq);
                self.node.append(flagged, node);
                $(self.$name.append(flagged, &record.$name);)+
            }

            /// The rows so far as one batch of [`journal_schema`].
            ///
            /// # Errors
            /// When Arrow finds the columns inconsistent: a mistake in this module, never the data's fault.
            pub(crate) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
                self.count = 0;
                let columns = [$(self.$rname.finish(),)+ $(self.$name.finish(),)+];
                let columns = columns.into_iter().collect::<Result<_, _>>()?;
                RecordBatch::try_new(journal_schema(), columns)
            }
        }
    };
}

record! {
    recorder {
        /// Number of the row on its node: rises by one for every row, over restarts and crashes.
        seq => Number<UInt64Type>, event, "count from 1";
        /// Name of the machine that wrote the row.
        node => Text<64>, event, "at most 64 bytes";
    }
    caller {
        /// What the row tells of.
        kind: Kind => OneOf, event, "word";
        /// Id of the request, tunnel or happening; the one on the block page, the same on all its rows.
        event: EventId => Id, event, "64 bits, shown as 16 hexadecimal digits";
        /// When it began.
        time: i64 => Moment, event, "µs since the epoch, UTC";
        /// How long it took; 0 on opening rows.
        duration: u64 => Number<UInt64Type>, event, "µs";
        /// Name of the person, if any is known.
        user: Option<Arc<str>> => Repeated<256>, event, "at most 256 bytes";
        /// Groups of the person, device or network.
        groups: Option<Arc<str>> => Repeated<4096>, event, "names joined by commas, at most 4096 bytes";
        /// Name of the registered device.
        device: Option<Arc<str>> => Repeated<256>, event, "at most 256 bytes";
        /// Name of the registered network.
        network: Option<Arc<str>> => Repeated<256>, event, "at most 256 bytes";
        /// Policy profile that applied.
        profile: Option<Arc<str>> => Repeated<256>, event, "at most 256 bytes";
        /// How the person or device was identified (LM-35, AF-07).
        identity: Identity => OneOf, event, "word";
        /// Age of that identification: since the password was last verified.
        identity_age: Option<u32> => MaybeNumber<UInt32Type>, event, "s";
        /// How long after it such an identification is relied on.
        identity_expires: Option<u32> => MaybeNumber<UInt32Type>, event, "s";
        /// How far the identification may be relied on (LM-35): `stale` once it is older than that.
        confidence: Confidence => OneOf, event, "word";
        /// Whether whoever asked had been given the monitoring notice (LM-06): without it a row has no content.
        notice: Informed => OneOf, event, "word";
        /// Address of the client.
        client: Option<IpAddr> => Address, event, "IPv4 or IPv6 address";
        /// Port of the client.
        client_port: u16 => Number<UInt16Type>, event, "port, 0: none";
        /// Listener that accepted the connection.
        listener: Option<Arc<str>> => Repeated<256>, event, "at most 256 bytes";
        /// Method of the request.
        method: Option<Arc<str>> => Repeated<64>, event, "at most 64 bytes";
        /// Scheme of the target.
        scheme: Option<&'static str> => Repeated<16>, event, "http, https or connect";
        /// Host of the target in normal form.
        host: Option<Arc<str>> => MaybeText<255>, event, "at most 255 bytes";
        /// Port of the target.
        port: u16 => Number<UInt16Type>, event, "port, 0: none";
        /// Path of the target, without query, user names and values of parameters; only for blocked and warned events, and
        /// those of a rule that keeps content.
        path: Option<Kept> => MaybePath<2048>, content, "at most 2048 bytes";
        /// What somebody searched for on a site that Weir knows as a search engine (AF-08); only as `path` is.
        term: Option<Kept> => MaybeTerm<512>, content, "at most 512 bytes";
        /// Address that was dialled.
        origin: Option<IpAddr> => Address, event, "IPv4 or IPv6 address";
        /// Name in the TLS hello, when it differs from the host.
        sni: Option<Arc<str>> => MaybeText<255>, event, "at most 255 bytes";
        /// Whether the TLS hello carries ECH or ESNI, so that another name than the visible one may be meant. Browsers also
        /// send it to no purpose (GREASE), which cannot be told apart: yes means that the name may be hidden, not that it is.
        ech: bool => Flag, event, "yes or no";
        /// What the policy answered.
        verdict: Verdict => OneOf, event, "word";
        /// Rule that decided.
        rule: Option<Arc<str>> => Repeated<256>, event, "at most 256 bytes";
        /// Category that decided.
        category: Option<Arc<str>> => Repeated<256>, event, "at most 256 bytes";
        /// Every category of the target.
        categories: Option<Arc<str>> => Repeated<4096>, event, "names joined by commas, at most 4096 bytes";
        /// List that put the target into the category (LM-34, AF-14), or the mandatory list that has it: then the row holds
        /// nothing of the address (LM-28).
        list: Option<Arc<str>> => Repeated<256>, event, "at most 256 bytes";
        /// The entry of that list, as listed.
        entry: Option<Arc<str>> => MaybeText<2048>, event, "at most 2048 bytes";
        /// Version of the policy in force (LM-34).
        policy_version: Option<Arc<str>> => Repeated<64>, event, "at most 64 bytes";
        /// Version of the lists in force (LM-34).
        lists_version: Option<Arc<str>> => Repeated<64>, event, "at most 64 bytes";
        /// Status sent to the client.
        status: u16 => Number<UInt16Type>, event, "HTTP status, 0: none";
        /// Why it failed.
        error: Option<&'static str> => Repeated<64>, event, "RFC 9209 proxy error type";
        /// How it ended.
        end: End => OneOf, event, "word";
        /// Body or tunnel bytes from the client.
        bytes_up: u64 => Number<UInt64Type>, event, "bytes";
        /// Body or tunnel bytes to the client.
        bytes_down: u64 => Number<UInt64Type>, event, "bytes";
        /// What made the client ask (LM-13).
        initiator: Initiator => OneOf, event, "word";
        /// Whether the request itself was visible; false: an opaque tunnel.
        inspected: bool => Flag, event, "yes or no";
        /// Plain words on gaps, starts, stops and reloads, the reason of a failed sign-in; never content.
        note: Option<Box<str>> => MaybeText<4096>, event, "at most 4096 bytes";
    }
}

impl Record {
    /// A record with nothing but its kind, event id and time (µs since the epoch, UTC).
    pub fn new(kind: Kind, event: EventId, time: i64) -> Record {
        Record {
            kind,
            event,
            time,
            duration: 0,
            user: None,
            groups: None,
            device: None,
            network: None,
            profile: None,
            identity: Identity::None,
            identity_age: None,
            identity_expires: None,
            confidence: Confidence::None,
            notice: match kind.is_about_weir() {
                true => Informed::Exempt,
                false => Informed::None,
            },
            client: None,
            client_port: 0,
            listener: None,
            method: None,
            scheme: None,
            host: None,
            port: 0,
            path: None,
            term: None,
            origin: None,
            sni: None,
            ech: false,
            verdict: Verdict::None,
            rule: None,
            category: None,
            categories: None,
            list: None,
            entry: None,
            policy_version: None,
            lists_version: None,
            status: 0,
            error: None,
            end: End::Complete,
            bytes_up: 0,
            bytes_down: 0,
            initiator: Initiator::Unknown,
            inspected: false,
            note: None,
        }
    }

    /// Takes away everything that tells of the address: where it was, what it was called, what lists said of it. What is left
    /// names the mandatory list, the rule and the event (LM-28).
    pub fn conceal_address(&mut self) {
        (self.host, self.sni) = (None, None);
        (self.path, self.term) = (None, None);
        (self.origin, self.port) = (None, 0);
        (self.category, self.categories, self.entry) = (None, None, None);
    }

    /// Whether the row is of something that was blocked or flagged: content that a [`Permit`](crate::Permit) let in for that
    /// reason is written only then (LM-04).
    pub fn is_flagged(&self) -> bool {
        matches!(self.verdict, Verdict::Block | Verdict::Warn)
    }
}

impl Col {
    /// Place in the schema.
    pub fn index(self) -> usize {
        self as usize
    }
}

impl Rows {
    /// Rows appended since the last finish.
    pub(crate) fn count(&self) -> usize {
        self.count
    }
}

/// The one schema of segments, searches and exports: each field carries `grade`, `unit` and `doc` as metadata.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| schema_of(|column| &column.data_type));
    SCHEMA.clone()
}

/// The schema of journals: the same fields, those that repeat coded.
pub(crate) fn journal_schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| schema_of(|column| &column.journal_type));
    SCHEMA.clone()
}

fn schema_of(data_type: fn(&Column) -> &DataType) -> SchemaRef {
    let fields = columns()
        .iter()
        .map(|column| field(column, data_type(column)));
    Arc::new(Schema::new(fields.collect::<Vec<Field>>()))
}

fn field(column: &Column, data_type: &DataType) -> Field {
    let metadata = [
        ("grade", column.grade.as_str()),
        ("unit", column.unit),
        ("doc", column.doc),
    ];
    let metadata: HashMap<String, String> = metadata
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    Field::new(column.name, data_type.clone(), column.nullable).with_metadata(metadata)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
