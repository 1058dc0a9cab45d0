pub const DIRECTORIES: [&str; 2] = [".held", ".decided"];
