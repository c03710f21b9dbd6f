//! Functions' own ports: their SQL and their rows. A port has one function, and a function one port.

use super::{Error, Store, row};
use crate::domain::{FunctionId, FunctionPort, Port};
use rusqlite::{Row, named_params};

impl Store {
    /// Gives a function a port, in place of the one it had.
    ///
    /// # Errors
    /// `Duplicate` when another function has it, `NotFound` when the function is gone.
    pub async fn set_port(&self, own: FunctionPort) -> Result<(), Error> {
        self.write("give a function a port", move |c| {
            let sql = "insert into function_port (function, port) values (:function, :port)
                       on conflict (function) do update set port = excluded.port";
            let params = named_params! {":function": own.function.as_bytes(), ":port": own.port.get()};
            row::change(c, sql, params)?;
            Ok(())
        })
        .await
    }

    /// Takes a function's port away; `false` when it had none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn delete_port(&self, function: FunctionId) -> Result<bool, Error> {
        self.write("take a function's port away", move |c| {
            let sql = "delete from function_port where function = :function";
            Ok(row::change(c, sql, named_params! {":function": function.as_bytes()})? > 0)
        })
        .await
    }

    /// All functions' ports. Order: by port.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_ports(&self) -> Result<Vec<FunctionPort>, Error> {
        let sql = "select function, port from function_port order by port";
        self.read("list functions' ports", move |c| row::all(c, sql, [], read))
            .await
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<FunctionPort> {
    Ok(FunctionPort {
        function: row::id(row, "function", FunctionId::from_bytes)?,
        port: row::checked(row, "port", Port::new)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{deployed, opened};
    use super::*;

    #[tokio::test]
    async fn a_port_is_one_functions_and_goes_with_it() {
        let (_directory, store) = opened(8);
        let ((a, _), (b, _)) = (deployed(&store, "a").await, deployed(&store, "b").await);
        let own = |function, port| FunctionPort {
            function,
            port: Port::new(port).expect("a port"),
        };
        store.set_port(own(a.id, 9)).await.expect("free");
        store.set_port(own(a.id, 8)).await.expect("in its place");
        let taken = store.set_port(own(b.id, 8)).await;
        assert!(
            matches!(taken, Err(Error::Duplicate { constraint: "port" })),
            "{taken:?}"
        );
        store.set_port(own(b.id, 9)).await.expect("free again");
        assert_eq!(store.list_ports().await.expect("read"), [own(a.id, 8), own(b.id, 9)]);
        store.delete_function(a.id).await.expect("deleted");
        assert!(store.delete_port(b.id).await.expect("taken away"));
        assert!(store.list_ports().await.expect("read").is_empty());
    }
}
