//! Which spellings of a listed page are hit.

use super::*;

#[test]
fn af_01_no_encoding_of_a_path_opens_a_listed_page() {
    let (_directory, sealed) = sealed(
        "zp.test/secret-path/deep\nzp.test/wiki/File:bad(1).jpg\nzp.test/with;extra=1\nzp.test/caf%C3%A9\n",
    );
    let table = [
        ("/secret-path/deep", true),
        ("/secret-path%2Fdeep", true),
        ("/secret-path%2fdeep/below", true),
        ("/secret-path%5Cdeep", true),
        ("/secret-path\\deep", true),
        ("/secret-path%252Fdeep", true),
        ("/x%2F..%2Fsecret-path/deep", true),
        ("/x/..%2fsecret-path/%2e%252e/secret-path/deep", true),
        ("/secret-path/deep;x=1", true),
        ("/secret-path;x=1/deep;y", true),
        ("/secret-path/deep%3Bx", true),
        ("/secret-path/deep%20", true),
        ("/secret-path/deep%00", true),
        ("/secret-path./deep.", true),
        ("/secret-path/deep/..%2Fbeside", true),
        ("/wiki/File%3Abad(1).jpg", true),
        ("/wiki/File:bad%281%29.jpg", true),
        ("/WIKI/file%3abad%25281%2529.JPG", true),
        ("/with;extra=1", true),
        ("/with;extra=1;more/below", true),
        ("/caf\u{e9}", true),
        ("/caf%c3%a9/x", true),
        ("/with", false),
        ("/with;extra=2", false),
        ("/secret-path", false),
        ("/secret-path/deeper", false),
        ("/secret-path%2Fdeeper", false),
        ("/secret-pathdeep", false),
        ("/wiki/File:bad(2).jpg", false),
        ("/wiki/File:bad", false),
        ("/", false),
        ("/%2F", false),
    ];
    for (path, expected) in table {
        assert_eq!(hits(&sealed, &format!("zp.test{path}")), expected, "{path}");
    }
}

#[test]
fn af_01_no_other_parameter_nor_order_nor_encoding_opens_a_page_with_a_query() {
    let (_directory, sealed) = sealed(
        "zp.test/view?id=25\nzp.test/two?b=2&a=1\nzp.test/three?c=&a=1&b=x+y\nzp.test/?p=7\nzp.test/list?tag=\n",
    );
    let padded = format!("/view?{}&id=25", "x".repeat(20_000));
    let many = format!("/two?{}b=2&a=1", "a=1&".repeat(500));
    let table = [
        ("/view?id=25", true),
        ("/view?&id=25", true),
        ("/view?a=1&id=25", true),
        ("/view?a=1;id=25;c", true),
        ("/view?id%3D25", true),
        ("/view?id%253D25", true),
        ("/view?%69%64=%32%35&", true),
        ("/view?+id=25", true),
        ("/view%20?ID=25", true),
        ("/view;s=1?id=25", true),
        (&padded, true),
        ("/two?a=1&b=2", true),
        ("/two?x&b=2&y&a=1&z", true),
        (&many, true),
        ("/three?b=x%20y&c=9&d&a=1", true),
        ("/?q=1&p=7", true),
        ("/list?x=1&tag=any", true),
        ("/list?tag=", true),
        ("/view", false),
        ("/view?", false),
        ("/view?id=255", false),
        ("/view?xid=25", false),
        ("/view/below?id=25", false),
        ("/two?a=1", false),
        ("/two?b=2", false),
        ("/two?a=1&a=1&b=3", false),
        ("/three?a=1&b=x+y", false),
        ("/?p=8", false),
        ("/list?tags=1", false),
    ];
    for (path, expected) in table {
        assert_eq!(hits(&sealed, &format!("zp.test{path}")), expected, "{path}");
    }
}

/// Each character as it is, or encoded once or twice.
fn encoded(text: &str, choices: &[u8]) -> String {
    let mut choices = choices.iter().cycle();
    text.chars()
        .map(|c| match choices.next().map_or(0, |choice| choice % 4) {
            1 => format!("%{:02x}", c as u32),
            2 => format!("%25{:02X}", c as u32),
            3 => c.to_ascii_uppercase().to_string(),
            _ => c.to_string(),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// AF-01: however path and query are encoded and ordered, a listed page is hit, and what is beside it is not.
    #[test]
    fn af_01_every_encoding_of_a_listed_page_is_hit(
        segments in prop::collection::vec("[a-z0-9_:(),!~-]{1,6}", 1..4),
        parameters in prop::collection::btree_set("[a-z]{1,3}=[a-z0-9]{1,4}", 1..4),
        others in prop::collection::vec("[0-9]{1,3}=[a-z]{0,3}", 0..3),
        choices in prop::collection::vec(any::<u8>(), 1..40),
        is_reversed in any::<bool>(),
    ) {
        let path = segments.join("/");
        let parameters: Vec<String> = parameters.into_iter().collect();
        let (_directory, sealed) =
            sealed(&format!("zp.test/p/{path}\nzp.test/q/{path}?{}\n", parameters.join("&")));
        let spelt = encoded(&path, &choices);
        let asked = format!("zp.test/p/{spelt}");
        prop_assert!(hits(&sealed, &asked), "{}", asked);
        let (longer, above) = (format!("{asked}x"), "zp.test/p");
        prop_assert!(!hits(&sealed, &longer), "{}", longer);
        prop_assert!(!hits(&sealed, above));
        let mut query: Vec<String> = others.clone();
        query.extend(parameters.iter().map(|parameter| encoded(parameter, &choices)));
        if is_reversed {
            query.reverse();
        }
        let asked = format!("zp.test/q/{spelt}?{}", query.join("&"));
        prop_assert!(hits(&sealed, &asked), "{}", asked);
        let lacking = [&others[..], &parameters[1..]].concat().join("&");
        let lacking = format!("zp.test/q/{spelt}?{lacking}");
        prop_assert!(!hits(&sealed, &lacking), "{}", lacking);
    }
}
