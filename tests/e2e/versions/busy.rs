//! Changes while somebody else is at the history of the lists.

use std::fs::File;
use std::time::Duration;

use weir_tests::eventually;

use crate::lab;

#[test]
fn edits_by_hand_are_in_force_while_a_command_keeps_the_history_busy() {
    let (mut site, origin) = lab(&["one.test", "two.test"]);
    let weir = site.start();
    let history = site.path("state/lists/.history");
    eventually("the history has begun", || {
        history.join("versions.jsonl").exists().then_some(())
    });
    // As an import of millions of entries does while it keeps them.
    let busy = File::open(&history).unwrap();
    busy.lock().unwrap();
    let mut text = "bet.test\ncasino.test\n".to_owned();
    for name in ["one.test", "two.test"] {
        text.push_str(&format!("{name}\n"));
        site.list("gambling", "domains", &text);
        eventually(&format!("{name} is blocked"), || {
            (weir.get(&origin.url(name, "/")).status == 403).then_some(())
        });
        // Time for whoever would wait for the history now.
        std::thread::sleep(Duration::from_millis(600));
    }
    drop(busy);
    eventually("both edits have versions", || {
        let told = site.succeed(&["lists", "diff", "lists", "1"]);
        (told.contains("one.test") && told.contains("two.test")).then_some(())
    });
}
