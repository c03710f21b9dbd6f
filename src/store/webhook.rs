//! Webhooks: their SQL and their rows. Secrets are kept as they are: a signature cannot be checked without.

use super::{Error, Store, row};
use crate::domain::{FunctionId, Namespace, Secret, Selector, SignatureScheme, Signing, Timestamp, Webhook, WebhookId};
use rusqlite::{Connection, Row, named_params};

const COLUMNS: &str = "webhook.id, webhook.function, selector, description, scheme, secret,
    webhook.created_at_ms, webhook.updated_at_ms";

impl Store {
    /// Writes a new webhook down.
    ///
    /// # Errors
    /// `NotFound` when its function is not there.
    pub async fn create_webhook(&self, webhook: &Webhook) -> Result<(), Error> {
        let webhook = webhook.clone();
        self.write("create a webhook", move |c| {
            let sql = "insert into webhook (id, function, selector, description, scheme, secret,
                           created_at_ms, updated_at_ms)
                       values (:id, :function, :selector, :description, :scheme, :secret,
                           :created_at, :updated_at)";
            write(c, sql, &webhook).map(drop)
        })
        .await
    }

    /// Writes a webhook as it is now, but for its secret; `false` when there is none of that identity.
    ///
    /// # Errors
    /// `NotFound` when its function is not there.
    pub async fn update_webhook(&self, webhook: &Webhook) -> Result<bool, Error> {
        let webhook = webhook.clone();
        self.write("change a webhook", move |c| {
            let sql = "update webhook set function = :function, selector = :selector,
                           description = :description, updated_at_ms = :updated_at
                       where id = :id";
            let params = named_params! {
                ":id": webhook.id.as_bytes(),
                ":function": webhook.function.as_bytes(),
                ":selector": webhook.selector.to_string(),
                ":description": webhook.description,
                ":updated_at": webhook.updated_at.as_millis(),
            };
            Ok(row::change(c, sql, params)? > 0)
        })
        .await
    }

    /// Puts another secret in the place of a webhook's; `false` when it has none, or is not there.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn replace_secret(&self, id: WebhookId, secret: Secret, now: Timestamp) -> Result<bool, Error> {
        self.write("replace a secret", move |c| {
            let sql = "update webhook set secret = :secret, updated_at_ms = :now
                       where id = :id and secret is not null";
            let params = named_params! {":id": id.as_bytes(), ":secret": secret.reveal(), ":now": now.as_millis()};
            Ok(row::change(c, sql, params)? > 0)
        })
        .await
    }

    /// The webhook of that identity, if there is one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn webhook(&self, id: WebhookId) -> Result<Option<Webhook>, Error> {
        let sql = format!("select {COLUMNS} from webhook where id = :id");
        self.read("read a webhook", move |c| {
            row::maybe(c, &sql, named_params! {":id": id.as_bytes()}, read)
        })
        .await
    }

    /// Webhooks of a namespace's functions and of one function, or of all. Order: oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_webhooks(
        &self,
        namespace: Option<&Namespace>,
        function: Option<FunctionId>,
    ) -> Result<Vec<Webhook>, Error> {
        let namespace = namespace.map(|n| n.as_str().to_owned());
        let sql = format!(
            "select {COLUMNS} from webhook join function on function.id = webhook.function
             where namespace = coalesce(:namespace, namespace)
                 and webhook.function = coalesce(:function, webhook.function)
             order by webhook.created_at_ms, webhook.id"
        );
        self.read("list webhooks", move |c| {
            let filter =
                named_params! {":namespace": namespace, ":function": function.as_ref().map(FunctionId::as_bytes)};
            row::all(c, &sql, filter, read)
        })
        .await
    }

    /// Removes a webhook; `false` when there was none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn delete_webhook(&self, id: WebhookId) -> Result<bool, Error> {
        self.write("delete a webhook", move |c| {
            let sql = "delete from webhook where id = :id";
            Ok(row::change(c, sql, named_params! {":id": id.as_bytes()})? > 0)
        })
        .await
    }
}

fn write(c: &Connection, sql: &str, webhook: &Webhook) -> Result<usize, Error> {
    let signing = webhook.signing.as_ref();
    let params = named_params! {
        ":id": webhook.id.as_bytes(),
        ":function": webhook.function.as_bytes(),
        ":selector": webhook.selector.to_string(),
        ":description": webhook.description,
        ":scheme": signing.map(|s| s.scheme.as_str()),
        ":secret": signing.map(|s| s.secret.reveal()),
        ":created_at": webhook.created_at.as_millis(),
        ":updated_at": webhook.updated_at.as_millis(),
    };
    Ok(row::change(c, sql, params)?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Webhook> {
    Ok(Webhook {
        id: row::id(row, "id", WebhookId::from_bytes)?,
        function: row::id(row, "function", FunctionId::from_bytes)?,
        selector: row::checked(row, "selector", |t: String| Selector::parse(&t))?,
        description: row.get("description")?,
        signing: signing(row)?,
        created_at: row::time(row, "created_at_ms")?,
        updated_at: row::time(row, "updated_at_ms")?,
    })
}

fn signing(row: &Row<'_>) -> rusqlite::Result<Option<Signing>> {
    let scheme = row::checked(row, "scheme", |t: Option<String>| {
        t.as_deref().map(SignatureScheme::parse).transpose()
    })?;
    let secret = row::checked(row, "secret", |t: Option<String>| t.map(Secret::new).transpose())?;
    Ok(scheme.zip(secret).map(|(scheme, secret)| Signing { scheme, secret }))
}
