//! Makes cargo look at the whole folder of starter lists: `include_dir` itself does not notice a new file.

fn main() {
    println!("cargo:rerun-if-changed=lists");
}
