//! Watches folders of code: the system's file events, a debounce, a look. Says when something differs.
//!
//! Events only say when to look: what has changed is found by comparing, so that no event can be misread, and where
//! events do not arrive (some shared folders of virtual machines) looking now and then is enough. Reloads nothing itself.

mod debounce;
mod tree;

pub use tree::Tree;

use debounce::{Command, Debounce, Event, Options};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

const OPTIONS: Options = Options {
    quiet: Duration::from_millis(15),
    patience: Duration::from_millis(150),
    seldom: Duration::from_secs(2),
    often: Duration::from_millis(250),
};

/// What differs from what was last seen.
#[derive(Debug)]
pub struct Change {
    /// When it began, as far as it was told.
    pub since: Instant,
    /// The files that came, went or changed.
    pub files: Vec<PathBuf>,
}

/// Folders and files that are watched. Dropping it ends that.
#[derive(Debug)]
pub struct Watch {
    roots: Vec<PathBuf>,
    trees: Vec<Tree>,
    debounce: Debounce,
    started: Instant,
    first_stir: Option<Instant>,
    stirred: Arc<Notify>,
    /// None where the system has no events to offer.
    events: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
}

impl Watch {
    /// Looks at the roots, folders or files, and watches them from now on. One that is not there may come.
    pub async fn open(roots: Vec<PathBuf>) -> Self {
        match tokio::task::spawn_blocking(move || Self::new(roots)).await {
            Ok(watch) => watch,
            Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
            // The runtime ends, and who waits here with it.
            Err(_) => std::future::pending().await,
        }
    }

    fn new(roots: Vec<PathBuf>) -> Self {
        let stirred = Arc::new(Notify::new());
        let started = Instant::now();
        let mut watch = Self {
            trees: Vec::new(),
            debounce: Debounce::new(OPTIONS, Duration::ZERO),
            started,
            first_stir: None,
            events: events(&stirred),
            stirred,
            watched: BTreeSet::new(),
            roots,
        };
        // Watched first, then looked at: nothing falls between the two.
        watch.trees = look(&watch.roots);
        watch.follow();
        watch.trees = look(&watch.roots);
        watch
    }

    /// Waits until something differs from what was last seen. Asking again says that the last change is dealt with.
    pub async fn changed(&mut self) -> Change {
        self.tell(Event::Reloaded);
        loop {
            if self.tell(Event::Ticked) == Some(Command::Look) {
                if let Some(change) = self.compare().await {
                    return change;
                }
                continue;
            }
            let due = self.debounce.due().unwrap_or_default();
            tokio::select! {
                () = self.stirred.notified() => {
                    self.first_stir.get_or_insert_with(Instant::now);
                    self.tell(Event::Stirred);
                }
                () = tokio::time::sleep_until(self.started + due) => {}
            }
        }
    }

    fn tell(&mut self, event: Event) -> Option<Command> {
        self.debounce.on(event, self.started.elapsed())
    }

    async fn compare(&mut self) -> Option<Change> {
        let since = self.first_stir.take().unwrap_or_else(Instant::now);
        let roots = self.roots.clone();
        let trees = tokio::task::spawn_blocking(move || look(&roots)).await.ok()?;
        let both = self.trees.iter().zip(&trees);
        let files: Vec<_> = both.flat_map(|(before, now)| before.difference(now)).collect();
        if self.trees != trees {
            self.trees = trees;
            self.follow();
        }
        let changed = !files.is_empty();
        let reload = self.tell(Event::Looked { changed }) == Some(Command::Reload);
        reload.then_some(Change { since, files })
    }

    /// Watches the folders there are now. A folder that was replaced by another of its name is watched anew.
    fn follow(&mut self) {
        let Some(events) = &mut self.events else { return };
        let folders = self.trees.iter().flat_map(|tree| tree.folders().iter().cloned());
        // A single file may be replaced, and a folder that is gone may come back: their parents tell.
        let beside = self.roots.iter().filter(|root| !root.is_dir());
        let beside = beside.filter_map(|root| Some(root.parent()?.to_owned()));
        let wanted: BTreeSet<PathBuf> = folders.chain(beside).filter(|path| path.is_dir()).collect();
        for gone in self.watched.difference(&wanted) {
            let _ = events.unwatch(gone);
        }
        // Where one cannot be watched (too many are), looking now and then finds its changes.
        wanted
            .iter()
            .for_each(|folder| drop(events.watch(folder, RecursiveMode::NonRecursive)));
        self.watched = wanted;
    }
}

fn events(stirred: &Arc<Notify>) -> Option<RecommendedWatcher> {
    let stirred = Arc::clone(stirred);
    let tell = move |event: notify::Result<notify::Event>| {
        // Reading a file is no change; an error may hide one.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            stirred.notify_one();
        }
    };
    notify::recommended_watcher(tell).ok()
}

fn look(roots: &[PathBuf]) -> Vec<Tree> {
    roots.iter().map(|root| Tree::read(Path::new(root))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const LONG: Duration = Duration::from_secs(20);

    async fn next(watch: &mut Watch) -> BTreeSet<PathBuf> {
        let change = tokio::time::timeout(LONG, watch.changed()).await;
        change.expect("it is noticed").files.into_iter().collect()
    }

    #[tokio::test]
    async fn saves_renames_and_deleted_folders_are_noticed_and_what_is_ignored_is_not() {
        let home = tempfile::tempdir().expect("a folder");
        let root = home.path().join("code");
        fs::create_dir_all(root.join("sub")).expect("made");
        fs::write(root.join(".gitignore"), "out\n").expect("written");
        let mut watch = Watch::new(vec![root.clone()]);
        let only = |names: &[&str]| names.iter().map(|name| root.join(name)).collect::<BTreeSet<_>>();
        fs::write(root.join("sub/a"), "1").expect("written");
        assert_eq!(next(&mut watch).await, only(&["sub/a"]));
        fs::write(root.join("out"), "1").expect("written");
        fs::write(root.join("new"), "1").expect("written");
        fs::rename(root.join("new"), root.join("sub/a")).expect("renamed");
        assert_eq!(next(&mut watch).await, only(&["sub/a"]));
        fs::remove_dir_all(root.join("sub")).expect("removed");
        assert_eq!(next(&mut watch).await, only(&["sub/a"]));
        fs::create_dir(root.join("sub")).expect("made");
        fs::write(root.join("sub/b"), "1").expect("written");
        assert_eq!(next(&mut watch).await, only(&["sub/b"]));
        fs::write(root.join("sub/b"), "22").expect("written");
        assert_eq!(next(&mut watch).await, only(&["sub/b"]));
    }

    #[tokio::test]
    async fn a_folder_that_comes_back_is_noticed_and_so_is_what_happens_in_it() {
        let home = tempfile::tempdir().expect("a folder");
        let root = home.path().join("code");
        fs::create_dir(&root).expect("made");
        fs::write(root.join("a"), "1").expect("written");
        let mut watch = Watch::new(vec![root.clone()]);
        fs::remove_dir_all(&root).expect("removed");
        assert_eq!(next(&mut watch).await.len(), 1);
        fs::create_dir(&root).expect("made");
        fs::write(root.join("a"), "2").expect("written");
        assert_eq!(next(&mut watch).await.len(), 1);
        fs::write(root.join("a"), "33").expect("written");
        assert_eq!(next(&mut watch).await.len(), 1);
    }

    #[tokio::test]
    async fn without_events_a_change_is_found_all_the_same() {
        let home = tempfile::tempdir().expect("a folder");
        fs::write(home.path().join("a"), "1").expect("written");
        let mut watch = Watch::new(vec![home.path().to_owned()]);
        watch.events = None;
        fs::write(home.path().join("a"), "22").expect("written");
        assert_eq!(next(&mut watch).await.len(), 1);
        fs::write(home.path().join("a"), "333").expect("written");
        assert_eq!(next(&mut watch).await.len(), 1);
    }
}
