//! Gives a closed set of values its words in the files: one list for reading, showing and the reference.

/// Declares an enum whose variants are written as words.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_meta])* $variant,)* }

        impl $name {
            /// The words, in the order of the variants.
            pub const WORDS: &'static [&'static str] = &[$($word),*];
            /// The variants, in their order.
            pub const ALL: &'static [$name] = &[$($name::$variant),*];

            /// The word in the file.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }

            /// The value of a word.
            pub fn from_word(word: &str) -> Option<$name> {
                match word { $($word => Some($name::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl crate::value::Value for $name {
            fn read(value: crate::value::Node<'_, '_>, faults: crate::value::Sink<'_>) -> Self {
                crate::value::word(value, faults, $name::WORDS, $name::from_word).unwrap_or($name::ALL[0])
            }
        }
    };
}
pub(crate) use words;
