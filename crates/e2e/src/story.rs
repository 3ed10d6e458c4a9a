//! The macro that plays every story on both databases.

/// Makes a test on SQLite and one on PostgreSQL of each story: `async fn story(h: Harness)`.
#[macro_export]
macro_rules! stories {
    ($($name:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::Harness::sqlite().await).await; })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() { super::$name($crate::Harness::postgres().await).await; })*
        }
    };
}
