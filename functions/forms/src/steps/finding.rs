//! Servers that are found from the address, for accounts that name none.

use futures::future::join;
use migrate::finding::{self, Missing};
use migrate::pairs;
use model::Account;

use crate::app::{App, Outside, same_account};
use crate::reading::Errors;
use crate::reading::account::NO_ADDRESS;
use crate::refusals::{Code, Refusal};

impl<O: Outside> App<O> {
    /// Both accounts with their servers; what cannot be found is told of both.
    pub async fn name_servers(
        &self,
        (source, destination): (Account, Account),
    ) -> Result<(Account, Account), Refusal> {
        let (source, destination) =
            join(self.name_server(source), self.name_server(destination)).await;
        let mut errors = Errors::default();
        let mut side = |prefix: &str, named: Result<Account, Missing>| match named {
            Ok(account) => Some(account),
            Err(missing) => {
                lacking(&mut errors, prefix, missing);
                None
            }
        };
        let sides = (side("/source", source?), side("/destination", destination?));
        let sides = sides.0.zip(sides.1);
        if sides.as_ref().is_some_and(|(source, destination)| pairs::is_same(source, destination)) {
            same_account(&mut errors);
        }
        errors.finish(sides)
    }

    /// The account with its server, which is found where it names none.
    pub async fn name_server(&self, account: Account) -> Result<Result<Account, Missing>, Refusal> {
        if !account.url.is_empty() {
            return Ok(Ok(account));
        }
        let address = match finding::address(&account) {
            Ok(address) => address,
            Err(missing) => return Ok(Err(missing)),
        };
        let found = self.detect(&address).await?;
        Ok(finding::named(&account, &address, &found))
    }
}

/// Notes why no server was found for the account at `prefix`.
pub fn lacking(errors: &mut Errors, prefix: &str, missing: Missing) {
    let (code, detail) = match missing {
        Missing::NoAddress => (Code::Required, NO_ADDRESS.to_owned()),
        Missing::Nothing(sentence) => (Code::NoServer, sentence),
        Missing::Unanswered(sentence) => (Code::Unreachable, sentence),
    };
    errors.add(format!("{prefix}/url"), code, detail);
}
