//! The stored audit log on both databases: however it grew, it is the same tree.

mod place;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use synod_db::audit::{self, Head, LOG_KEY, Tile as Row};
use synod_db::{Db, meta};
use synod_domain::Timestamp;
use synod_domain::merkle::{Hash, leaf_hash};
use synod_trust::audit::{Edge, Grown, HashReader, Tile, check_consistency, prove_consistency, tree_root};

use place::{Place, stories};

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const LEAVES: usize = 70_001;

stories! {
    many_odd_appends_are_one_growth
    a_head_moves_only_from_where_it_is
    a_narrower_tile_changes_nothing
}

/// What is stored, all of it.
struct Stored(std::collections::BTreeMap<(u8, u64), Vec<Hash>>);

impl HashReader for Stored {
    fn tile(&self, tile: Tile) -> Result<Vec<Hash>, String> {
        self.0.get(&(tile.level, tile.index)).cloned().ok_or_else(|| "not stored".to_owned())
    }
}

async fn stored(db: &Db, wanted: impl Iterator<Item = &Tile>) -> Stored {
    let places: Vec<(u8, u64)> = wanted.map(|tile| (tile.level, tile.index)).collect();
    let rows = audit::tiles(&mut db.reader().await.unwrap(), &places).await.unwrap();
    let hashes = |row: &Row| STANDARD.decode(&row.hashes).unwrap().as_chunks::<32>().0.to_vec();
    Stored(rows.iter().map(|row| ((row.level, row.idx), hashes(row))).collect())
}

fn rows(grown: &Grown) -> Vec<Row> {
    grown
        .tiles
        .iter()
        .map(|(tile, hashes)| Row { level: tile.level, idx: tile.index, hashes: STANDARD.encode(hashes.concat()) })
        .collect()
}

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

async fn append(db: &Db, edge: &Edge, leaves: &[Hash]) -> Edge {
    let grown = edge.grow(leaves).unwrap();
    let mut tx = db.begin().await.unwrap();
    audit::put_tiles(&mut tx, &rows(&grown)).await.unwrap();
    let head = Head { size: grown.edge.size(), note: format!("{:?}", grown.root), at: NOW };
    assert!(audit::move_head(&mut tx, edge.size(), &head).await.unwrap());
    tx.commit().await.unwrap();
    grown.edge
}

async fn many_odd_appends_are_one_growth(Place { db, .. }: Place) {
    let all = leaves(LEAVES);
    let once = Edge::empty().grow(&all).unwrap();
    let mut edge = Edge::empty();
    let mut sizes = [1usize, 1, 2, 255, 256, 257, 3, 511, 4999, 2000].into_iter().cycle();
    let mut passed = Vec::new();
    while edge.size() < LEAVES as u64 {
        let from = usize::try_from(edge.size()).unwrap();
        let to = (from + sizes.next().unwrap()).min(LEAVES);
        edge = append(&db, &edge, &all[from..to]).await;
        passed.push((edge.size(), edge.root()));
    }
    assert_eq!(edge, once.edge);
    let head = audit::head(&mut db.reader().await.unwrap()).await.unwrap().unwrap();
    assert_eq!((head.size, head.note), (LEAVES as u64, format!("{:?}", once.root)));
    let tiles = stored(&db, once.tiles.iter().map(|(tile, _)| tile)).await;
    for (tile, hashes) in &once.tiles {
        assert_eq!(&tiles.0[&(tile.level, tile.index)], hashes, "{tile}");
    }
    assert_eq!(tree_root(LEAVES as u64, &tiles).unwrap(), once.root);
    assert_eq!(Edge::load(LEAVES as u64, &tiles).unwrap(), edge);
    // No earlier head is kept, and none is needed.
    for (size, root) in passed.into_iter().step_by(7) {
        let proof = prove_consistency(size, LEAVES as u64, &tiles).unwrap();
        check_consistency(size, &root, LEAVES as u64, &once.root, &proof).unwrap();
        assert_eq!(tree_root(size, &tiles).unwrap(), root);
    }
}

async fn a_head_moves_only_from_where_it_is(Place { db, .. }: Place) {
    let head = |size: u64| Head { size, note: size.to_string(), at: NOW };
    let moved = async |from: u64, to: u64| {
        let mut tx = db.begin().await.unwrap();
        let moved = audit::move_head(&mut tx, from, &head(to)).await.unwrap();
        tx.commit().await.unwrap();
        moved
    };
    assert!(audit::head(&mut db.reader().await.unwrap()).await.unwrap().is_none());
    assert!(!moved(3, 4).await, "there is none to move");
    assert!(moved(0, 5).await);
    assert!(!moved(0, 6).await, "it is no more the first");
    assert!(!moved(4, 6).await);
    assert!(moved(5, 9).await);
    assert_eq!(audit::head(&mut db.reader().await.unwrap()).await.unwrap().unwrap().size, 9);
    // Who holds the lock keeps others from trying.
    let mut tx = db.begin().await.unwrap();
    meta::set(&mut tx, LOG_KEY, "sealed").await.unwrap();
    tx.commit().await.unwrap();
    let mut first = db.begin().await.unwrap();
    assert!(audit::lock(&mut first).await.unwrap());
    if !db.dialect().has_one_writer() {
        let mut second = db.begin().await.unwrap();
        assert!(!audit::lock(&mut second).await.unwrap());
        first.rollback().await.unwrap();
        assert!(audit::lock(&mut second).await.unwrap());
    }
}

async fn a_narrower_tile_changes_nothing(Place { db, .. }: Place) {
    let tile = |hashes: &str| Row { level: 0, idx: 7, hashes: hashes.to_owned() };
    for (put, stands) in [("AAAA", "AAAA"), ("AAAABBBB", "AAAABBBB"), ("AAAA", "AAAABBBB"), ("CCCCDDDD", "AAAABBBB")] {
        let mut tx = db.begin().await.unwrap();
        audit::put_tiles(&mut tx, &[tile(put)]).await.unwrap();
        tx.commit().await.unwrap();
        let found = audit::tiles(&mut db.reader().await.unwrap(), &[(0, 7), (1, 7), (0, 8)]).await.unwrap();
        assert_eq!(found.iter().map(|tile| tile.hashes.as_str()).collect::<Vec<_>>(), [stands]);
    }
}
