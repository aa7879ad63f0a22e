//! Every command in the documentation is run by some test.

use super::{MODULE, NOT_RUN, PLAYED};
use crate::markdown::{page_at, pages};

#[test]
fn every_command_is_run_or_listed_with_a_reason() {
    let mut stray = Vec::new();
    let mut pages = pages();
    pages.push(page_at(MODULE));
    let mut unused = NOT_RUN.to_vec();
    unused.retain(|(path, ..)| pages.iter().any(|page| page.path == *path));
    // The translation has the same blocks, see `the_translation_has_the_same_commands`.
    for page in pages.into_iter().filter(|page| page.path != "README.zh-CN.md") {
        let played = PLAYED.iter().filter(|(path, _)| page.path == *path);
        let played: Vec<&str> = played.flat_map(|(_, sections)| sections.iter().copied()).collect();
        for block in page.blocks.iter().filter(|block| block.is_shell()) {
            let is_played = played.iter().any(|section| block.section.starts_with(section));
            for line in block.text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
            {
                match not_run(&page.path, line) {
                    Some(entry) => unused.retain(|other| *other != entry),
                    None if is_played => {}
                    None => stray.push(format!("{}: {line}", block.place)),
                }
            }
        }
    }
    assert_eq!(
        stray,
        Vec::<String>::new(),
        "play the page in this file, or say in NOT_RUN why not"
    );
    assert_eq!(unused, Vec::new(), "these are not in the documentation any more");
}

#[test]
fn the_translation_has_the_same_commands() {
    let shown = |path: &str| {
        let page = page_at(path);
        let blocks: Vec<(String, String)> =
            page.blocks.into_iter().map(|block| (block.language, block.text)).collect();
        let titles = page.text.lines().filter(|line| line.starts_with("## ")).count();
        let rows = page.text.lines().filter(|line| line.starts_with("| ")).count();
        (blocks, titles, rows)
    };
    assert_eq!(shown("README.zh-CN.md"), shown("README.md"));
}

pub(super) fn not_run(
    page: &str,
    line: &str,
) -> Option<(&'static str, &'static str, &'static str)> {
    let mut entries = NOT_RUN.iter();
    entries.find(|(path, command, _)| page == *path && line.starts_with(command)).copied()
}
