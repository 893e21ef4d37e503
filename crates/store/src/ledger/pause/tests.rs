#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::Login;
use crate::testing::Scratch;

const ACCOUNT: &str = "account:TWITTER:7:8";

async fn seen(scratch: &crate::Store, by: Option<OrganizationId>) -> Vec<Paused> {
    let mut tx = match by {
        Some(organization) => scratch.acting_for(organization).await.unwrap(),
        None => scratch.operating().await.unwrap(),
    };
    pauses(&mut tx).await.unwrap()
}

/// Two organizations that share an account, and one that has another.
async fn three(scratch: &Scratch) -> [OrganizationId; 3] {
    let all = [OrganizationId::new(), OrganizationId::new(), OrganizationId::new()];
    for (organization, account) in all.iter().zip(["7:8", "7:8", "9"]) {
        for sql in [
            "insert into organizations (id, name, slug) values ($1, 'A', 'a-' || $1)",
            "insert into platform_connections (id, organization_id, platform, account_id, account_name,
                 created_by, access_token) values (gen_random_uuid(), $1, 'TWITTER', $2, 'a', '', 'sealed')",
        ] {
            let mut query = sqlx::query(sql).bind(organization.0);
            if sql.contains("$2") {
                query = query.bind(account);
            }
            query.execute(&scratch.pool).await.unwrap();
        }
    }
    all
}

#[tokio::test]
async fn a_paused_account_is_listed_where_it_is_connected() {
    let scratch = Scratch::new().await;
    let api = scratch.log_in(Login::Api).await;
    let [own, other, stranger] = three(&scratch).await;
    let mut conn = scratch.store.single().await.unwrap();
    let until = Some(Utc::now() + chrono::TimeDelta::hours(1));
    close_key(&mut conn, "account:TWITTER:9", until, "closed by a network").await.unwrap();
    close_key(&mut conn, "x:user:7:POST /2/tweets", None, "no account").await.unwrap();
    for by in [None, Some(own), Some(stranger)] {
        assert!(seen(&api, by).await.is_empty(), "nobody paused anything");
    }

    pause_account(&mut conn, ACCOUNT, Some(own), "Quiet.", "kim").await.unwrap();
    pause(&mut conn, Uuid::now_v7(), Some(own), Some(Queue::Publish), "A look.", "kim")
        .await
        .unwrap();
    for (by, named) in [(None, true), (Some(own), true), (Some(other), false)] {
        let pauses = seen(&api, by).await;
        let account = pauses.iter().find(|pause| pause.account_id.is_some()).unwrap();
        assert_eq!(account.platform.as_deref(), Some("TWITTER"));
        assert_eq!(account.account_id.as_deref(), Some("7:8"));
        assert_eq!((account.queue.as_deref(), account.reason.as_str()), (None, "Quiet."));
        assert!(account.paused_at <= Utc::now());
        let who = named.then_some("kim");
        assert_eq!(account.paused_by.as_deref(), who, "another organization's people: {by:?}");
        assert_eq!(account.organization_id, named.then_some(own.0));
        let queues = pauses.iter().filter(|pause| pause.queue.is_some()).count();
        assert_eq!(queues, usize::from(by != Some(other)), "{pauses:?}");
    }
    assert!(seen(&api, Some(stranger)).await.is_empty(), "it is not its account");

    assert_eq!(reopen_key(&mut conn, ACCOUNT).await.unwrap(), 0);
    assert_eq!(seen(&api, Some(other)).await.len(), 0, "a person resumed it");
    scratch_down(scratch, conn).await;
}

#[tokio::test]
async fn a_pause_says_who_where_it_is_known_and_stays_the_first_persons() {
    let scratch = Scratch::new().await;
    let api = scratch.log_in(Login::Api).await;
    let [own, other, _] = three(&scratch).await;
    let mut conn = scratch.store.single().await.unwrap();
    let until = Some(Utc::now() + chrono::TimeDelta::hours(1));

    // As the release before this one pauses an account.
    close_key(&mut conn, ACCOUNT, None, "Before.").await.unwrap();
    let pause = seen(&api, Some(own)).await.remove(0);
    assert_eq!((pause.reason.as_str(), pause.paused_by), ("Before.", None));
    reopen_key(&mut conn, ACCOUNT).await.unwrap();

    // A network's closing turns into a pause, and not the other way round.
    close_key(&mut conn, ACCOUNT, until, "closed by a network").await.unwrap();
    pause_account(&mut conn, ACCOUNT, None, "Operators.", "ops").await.unwrap();
    close_key(&mut conn, ACCOUNT, until, "closed by a network").await.unwrap();
    pause_account(&mut conn, ACCOUNT, Some(other), "Me too.", "lee").await.unwrap();
    for by in [own, other] {
        let pause = seen(&api, Some(by)).await.remove(0);
        let found = (pause.reason.as_str(), pause.paused_by.as_deref(), pause.organization_id);
        assert_eq!(found, ("Operators.", Some("ops"), None), "operators are named to everybody");
    }
    scratch_down(scratch, conn).await;
}

/// The pool closes when its last connection is back.
async fn scratch_down(scratch: Scratch, conn: crate::Single) {
    drop(conn);
    scratch.drop().await;
}
