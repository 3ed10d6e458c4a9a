//! `synod trust`: the trust root, from its draft to its next version.

mod accounts;
pub mod draft;
mod view;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use synod_domain::Span;
use synod_protocol::http::client::Client;
use synod_protocol::http::trust::{CheckRoot, PublishRoot, RootCheck, RootFinding, RootQuery, Roots, Trust, TrustRoot};
use synod_trust::key::Purpose;
use synod_trust::root::{BreakGlass, Rule};
use synod_trust::{Envelope, Key, Root, RootDoc};

use self::draft::{Edits, First, Named, Written};
use super::API;
use super::describe_run::Page;
use crate::exit::{Exit, Fault, Result};
use crate::output::{clean, clean_lines, note};
use crate::pins::{Book, PinArgs};
use crate::session::App;
use crate::signer::{Places, Signer};
use crate::{prompt, when};

/// How long a root lasts unless told otherwise.
pub(crate) const A_YEAR: Span = Span::secs(365 * 86_400);

/// `trust …`
#[derive(Debug, Subcommand)]
pub enum TrustCommand {
    /// Draft the first trust root, for its holders to sign
    Init(Box<InitArgs>),
    /// Show what a draft says and changes, and sign it with your key
    Sign(SignArgs),
    /// Publish a root that enough of its holders have signed
    Publish(PublishArgs),
    /// Show the published root, an older one, or a draft
    Show(ShowArgs),
    /// Draft the next root from the published one
    Propose(Box<ProposeArgs>),
    /// Draft the next root with nothing but new dates
    Rotate(NextArgs),
    /// Draft the next root without a key, or without a person's keys, for good
    Revoke(RevokeArgs),
    /// Tell what is odd about the published root or a draft: rules nobody can meet, keys everything hangs on
    Doctor(DoctorArgs),
}

/// Arguments of `trust init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// So many of the holders must sign this root and every later one
    #[arg(long, value_name = "N", required_unless_present = "from_yaml")]
    root_threshold: Option<u32>,
    /// A person, by the name they have on the server, with the public keys in these files, or with `account` for those they
    /// registered on the server; may be repeated
    #[arg(long = "principal", value_name = "NAME=FILE,…", required_unless_present = "from_yaml")]
    principals: Vec<Named>,
    /// Who holds the root, that is, signs later ones; everybody when it is not given; may be repeated
    #[arg(long = "root-holder", value_name = "NAME", value_delimiter = ',')]
    root_holders: Vec<String>,
    /// A group and its members; may be repeated
    #[arg(long = "group", value_name = "GROUP=NAME,…")]
    groups: Vec<Named>,
    /// A rule, such as `shop:shop/*:web-*:2:approver` (NAME:TEMPLATES:NODES:COUNT:WHO; WHO is a role, group=NAME or user=NAME); may be repeated
    #[arg(long = "rule", value_name = "RULE", value_parser = draft::rule)]
    rules: Vec<Rule>,
    /// Without --rule: one rule about everything, for so many approvers
    #[arg(long, value_name = "N", default_value_t = 2, conflicts_with = "rules")]
    approvals: u32,
    /// Who may start something alone: `night:alice,bob:shop/*:web-*:2:5` (NAME:WHO:TEMPLATES:NODES:PERDAY:MAXNODES); may be repeated
    #[arg(long = "break-glass", value_name = "RULE", value_parser = draft::break_glass)]
    break_glass: Vec<BreakGlass>,
    /// From a YAML or JSON file with the whole document instead
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with_all = ["principals", "root_holders", "groups", "rules", "approvals", "break_glass", "root_threshold"])]
    from_yaml: Option<PathBuf>,
    /// How long it is to last (365d)
    #[arg(long, value_name = "SPAN")]
    expires: Option<Span>,
    /// Where to write the draft (root-1.json)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Arguments of `trust sign`.
#[derive(Debug, Args)]
pub struct SignArgs {
    /// The draft; the signature is added to it
    file: PathBuf,
    /// Sign with this private key, or with the one in the ssh-agent for this public key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Show what changes against this root instead of the published one
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    pins: PinArgs,
}

/// Arguments of `trust publish`.
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// The signed root; several copies of one root that were signed apart go together
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    pins: PinArgs,
}

/// Arguments of `trust show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A draft or a signed root in a file, instead of the published one
    #[arg(conflicts_with = "version")]
    file: Option<PathBuf>,
    /// This version
    #[arg(long, value_name = "N")]
    version: Option<u64>,
    #[command(flatten)]
    pins: PinArgs,
}

/// Arguments of `trust rotate`, and what all next roots have.
#[derive(Debug, Args)]
pub struct NextArgs {
    /// How long it is to last (as long as the one before)
    #[arg(long, value_name = "SPAN")]
    expires: Option<Span>,
    /// Follow the root in this file instead of the published one
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// Where to write the draft (root-N.json)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    pins: PinArgs,
}

/// Arguments of `trust propose`.
#[derive(Debug, Args)]
pub struct ProposeArgs {
    /// From a YAML or JSON file with the whole document
    #[arg(short = 'f', long, value_name = "FILE")]
    from_yaml: Option<PathBuf>,
    /// Add a person with the public keys in these files, or with `account` for those they registered; may be repeated
    #[arg(long, value_name = "NAME=FILE,…")]
    add_principal: Vec<Named>,
    /// Remove a person; may be repeated
    #[arg(long, value_name = "NAME")]
    remove_principal: Vec<String>,
    /// Add a key to a person, or with `account` those they registered; may be repeated
    #[arg(long, value_name = "NAME=FILE")]
    add_key: Vec<Named>,
    /// Put people into a group; may be repeated
    #[arg(long, value_name = "GROUP=NAME,…")]
    add_group: Vec<Named>,
    /// Have a person hold the root; may be repeated
    #[arg(long, value_name = "NAME")]
    add_holder: Vec<String>,
    /// Have a person hold the root no more; may be repeated
    #[arg(long, value_name = "NAME")]
    remove_holder: Vec<String>,
    /// So many of the holders must sign
    #[arg(long, value_name = "N")]
    threshold: Option<u32>,
    #[command(flatten)]
    next: NextArgs,
}

/// Arguments of `trust revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// A key's id (SHA256:…), or a person, for all their keys
    what: String,
    /// Why, for the record
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    next: NextArgs,
}

/// Arguments of `trust doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// A draft or a signed root, instead of the published one
    file: Option<PathBuf>,
    /// Look at it here, without asking the server
    #[arg(long, requires = "file")]
    local: bool,
}

/// The trust root.
pub async fn trust(command: TrustCommand, app: &App<'_>) -> Result {
    match command {
        TrustCommand::Init(args) => init(*args, app).await,
        TrustCommand::Sign(args) => sign(args, app).await,
        TrustCommand::Publish(args) => publish(args, app).await,
        TrustCommand::Show(args) => show(args, app).await,
        TrustCommand::Propose(args) => propose(*args, app).await,
        TrustCommand::Rotate(args) => {
            let current = base(&args, app).await?;
            let doc = draft::next(&current, when::now(), args.expires);
            drafted(&draft::sound(doc)?, Some(&current), args.out, app).await
        }
        TrustCommand::Revoke(args) => {
            let current = base(&args.next, app).await?;
            let mut doc = draft::next(&current, when::now(), args.next.expires);
            let at = doc.created_at;
            draft::revoke(&mut doc, &args.what, &args.reason, at)?;
            drafted(&draft::sound(doc)?, Some(&current), args.next.out, app).await
        }
        TrustCommand::Doctor(args) => doctor(args, app).await,
    }
}

async fn init(args: InitArgs, app: &App<'_>) -> Result {
    let now = when::now();
    let root = match &args.from_yaml {
        Some(file) => {
            let written = Written::read(file)?;
            written.sound(written.document(None, now, args.expires)?)?
        }
        None => {
            let people = accounts::with_keys(args.principals, app).await?;
            let first = First {
                threshold: args.root_threshold.unwrap_or_default(),
                people,
                holders: args.root_holders,
                groups: args.groups,
                rules: args.rules,
                approvals: args.approvals,
                break_glass: args.break_glass,
            };
            let mut doc = first.document(now, args.expires.unwrap_or(A_YEAR))?;
            accounts::name_site(&mut doc, app).await?;
            draft::sound(doc)?
        }
    };
    drafted(&root, None, args.out, app).await
}

async fn propose(args: ProposeArgs, app: &App<'_>) -> Result {
    let current = base(&args.next, app).await?;
    let edits = Edits {
        add: accounts::with_keys(args.add_principal, app).await?,
        remove: args.remove_principal,
        add_keys: accounts::with_keys(args.add_key, app).await?,
        groups: args.add_group,
        threshold: args.threshold,
        holders: args.add_holder,
        no_holders: args.remove_holder,
    };
    let root = match &args.from_yaml {
        Some(file) => {
            let written = Written::read(file)?;
            let mut doc: RootDoc = written.document(Some(&current), when::now(), args.next.expires)?;
            edits.apply(&mut doc)?;
            accounts::name_site(&mut doc, app).await?;
            written.sound(doc)?
        }
        None => {
            let mut doc = draft::next(&current, when::now(), args.next.expires);
            edits.apply(&mut doc)?;
            accounts::name_site(&mut doc, app).await?;
            draft::sound(doc)?
        }
    };
    drafted(&root, Some(&current), args.next.out, app).await
}

/// The root to follow: of a file, or the published one.
async fn base(args: &NextArgs, app: &App<'_>) -> Result<Root> {
    match &args.base {
        Some(file) => Ok(draft::read_envelope(file)?.1),
        None => believed(&app.connect().await?, &args.pins, app).await?.ok_or_else(no_root),
    }
}

/// The root in force, followed from the pinned one: a server that shows another must not lead holders to sign what hides it.
async fn believed(client: &Client, pins: &PinArgs, app: &App<'_>) -> Result<Option<Root>> {
    Ok(Book::open(pins, app)?.see_roots(client).await?.map(|chain| chain.newest().clone()))
}

fn no_root() -> Fault {
    Fault::new(Exit::NotFound, "no trust root is published").help("draft the first with `synod trust init`, have its holders sign it, and publish it")
}

/// The root in force, by its signed bytes and not by what the server tells of it.
pub async fn published(client: &Client) -> Result<Option<Root>> {
    let trust: Trust = client.get(&format!("{API}/trust")).await?;
    trust.root.map(|root| read(&root.envelope)).transpose()
}

fn read(envelope: &Envelope) -> Result<Root> {
    let broken = |e: String| Fault::new(Exit::Internal, format!("the server's trust root cannot be read: {e}"));
    let opened = envelope.open(synod_trust::root::PAYLOAD_TYPE).map_err(|e| broken(e.to_string()))?;
    Root::read(&opened.payload).map_err(|e| broken(e.to_string()))
}

/// Writes a draft and says what it is and what comes next.
async fn drafted(root: &Root, current: Option<&Root>, out: Option<PathBuf>, app: &App<'_>) -> Result {
    let file = out.unwrap_or_else(|| PathBuf::from(format!("root-{}.json", root.version())));
    write_new(&file, &draft::unsigned(root))?;
    let shown = json!({"file": file, "version": root.version(), "digest": root.digest(), "threshold": root.doc().threshold});
    if app.out.structured() {
        return app.out.value(&shown).map(|()| Exit::Ok);
    }
    let mut page = Page::new(app.out);
    page.head(&format!("{}: a draft of the trust root, version {}, signed by nobody yet", file.display(), root.version()));
    view::whole(&mut page, root);
    view::changes(&mut page, current, root);
    view::findings(&mut page, &looked(root, current, app).await);
    page.print()?;
    let name = file.display();
    note(&format!(
        "next: {} of its holders sign it, each on their own machine: synod trust sign {name}",
        root.doc().threshold.max(current.map_or(0, |c| c.doc().threshold))
    ));
    note(&format!("to change more: synod trust show {name} -o yaml > root.yaml, edit it, and draft again with -f root.yaml"));
    Ok(Exit::Ok)
}

/// Writes a draft; never over one that somebody may have signed.
fn write_new(file: &Path, envelope: &Envelope) -> Result<()> {
    let text = crate::output::json(envelope)?;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(file).and_then(|mut new| writeln!(new, "{text}"));
    made.map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => Fault::usage(format!("{} is there already; it is not written over, since it may be signed", file.display()))
            .help("move it away, or name another file with --out"),
        _ => Fault::file("write", file, &e),
    })
}

fn replace(file: &Path, envelope: &Envelope) -> Result<()> {
    let failed = |e: std::io::Error| Fault::file("write", file, &e);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    writeln!(new, "{}", crate::output::json(envelope)?).and_then(|()| new.as_file().sync_all()).map_err(failed)?;
    new.persist(file).map(|_| ()).map_err(|e| failed(e.error))
}

async fn sign(args: SignArgs, app: &App<'_>) -> Result {
    let (envelope, root) = draft::read_envelope(&args.file)?;
    let current = match &args.against {
        Some(file) => Some(draft::read_envelope(file)?.1),
        None => reachable(&args.pins, app).await?,
    };
    let current = current.filter(|current| current.digest() != root.digest());
    if !app.out.structured() {
        let mut page = Page::new(app.out);
        page.head(&format!("{}: the trust root, version {}", args.file.display(), root.version()));
        view::whole(&mut page, &root);
        view::changes(&mut page, current.as_ref(), &root);
        view::findings(&mut page, &looked(&root, current.as_ref(), app).await);
        view::signatures(&mut page, &envelope, &[Some(&root), current.as_ref()]);
        page.print()?;
    }
    let holders = holder_keys(&[Some(&root), current.as_ref()]);
    let keys: Vec<Key> = holders.iter().map(|(_, key)| key.clone()).collect();
    let signer = Signer::find(&Places::of_user(args.key), &keys, "a holder").await?;
    let person = holders.iter().find(|(_, key)| key.id() == signer.key().id()).map(|(name, _)| name.clone()).unwrap_or_default();
    let again = |signature: &synod_trust::envelope::Signature| holders.iter().any(|(name, key)| *name == person && key.id().0 == signature.keyid);
    if envelope.signatures.iter().any(again) {
        return Err(Fault::new(Exit::Conflict, format!("{person} has signed {} already; one person counts once", args.file.display())));
    }
    note(&format!("signing as {person} with {}", signer.words()));
    if !args.yes && prompt::interactive() && !prompt::confirm("Sign exactly this?")? {
        return Err(Fault::new(Exit::Differs, "nothing was signed"));
    }
    let signed = signer.sign(Purpose::Root, envelope).await?;
    replace(&args.file, &signed)?;
    let needed = root.doc().threshold;
    let shown = json!({"file": args.file, "digest": root.digest(), "person": person, "key": signer.key().id(), "signatures": signed.signatures.len(), "threshold": needed});
    app.out.either(&shown, || {
        let count = signed.signatures.len();
        let next = if count < needed as usize { "the next holder signs it".to_owned() } else { format!("synod trust publish {}", args.file.display()) };
        format!("{person} has signed version {}; {count} of {needed} signatures\nnext: {next}", root.version())
    })?;
    Ok(Exit::Ok)
}

/// The published root, when a server can be asked; a draft can be signed without one.
async fn reachable(pins: &PinArgs, app: &App<'_>) -> Result<Option<Root>> {
    let Ok(client) = app.connect().await else { return Ok(None) };
    match believed(&client, pins, app).await {
        Err(Fault::Client(error)) => {
            note(&format!("what changes is not shown: {}", crate::diagnose::text(&Fault::Client(error), false)));
            Ok(None)
        }
        other => other,
    }
}

/// Keys of those who may sign, by the new root or by the one in force.
fn holder_keys(roots: &[Option<&Root>]) -> Vec<(String, Key)> {
    let mut all: Vec<(String, Key)> = Vec::new();
    for root in roots.iter().flatten() {
        for person in root.doc().principals.iter().filter(|person| person.root) {
            for key in person.keys.iter().filter_map(|spec| Key::read(spec).ok()) {
                if !all.iter().any(|(_, known)| known.id() == key.id()) {
                    all.push((person.name.clone(), key));
                }
            }
        }
    }
    all
}

async fn publish(args: PublishArgs, app: &App<'_>) -> Result {
    let copies = args.files.iter().map(|file| Ok((file.clone(), draft::read_envelope(file)?.0))).collect::<Result<Vec<_>>>()?;
    let envelope = draft::merge(copies)?;
    let client = app.connect().await?;
    let mut book = Book::open(&args.pins, app)?;
    // Whoever signs in to a server with another root than the pinned one publishes nothing there.
    book.see_roots(&client).await?;
    if !app.out.structured() {
        // What is wrong with the root itself the server refuses, and says so.
        let broken = |found: &RootFinding| found.severity == "error" && found.about != "root";
        for found in found(&client, &read(&envelope)?).await.into_iter().filter(broken) {
            note(&clean(&format!("warning: {}: {}", found.about, found.message)));
        }
    }
    let root: TrustRoot = client.post(&format!("{API}/trust/roots"), &PublishRoot { envelope }).await?;
    book.see_roots(&client).await?;
    app.out.either(&root, || {
        clean_lines(&format!("published version {} of the trust root, signed by {}\ndigest {}", root.version, root.signed_by.join(", "), root.digest))
    })?;
    if root.version == 1 && !app.out.structured() {
        note(&format!("agents pin it: synod agent … --trust observe --trust-root {} (and `enforce` once all is well)", root.digest));
    }
    Ok(Exit::Ok)
}

async fn show(args: ShowArgs, app: &App<'_>) -> Result {
    if let Some(file) = &args.file {
        let (envelope, root) = draft::read_envelope(file)?;
        if app.out.structured() {
            return app.out.value(root.doc()).map(|()| Exit::Ok);
        }
        let mut page = Page::new(app.out);
        page.head(&format!("{}: the trust root, version {}", file.display(), root.version()));
        view::whole(&mut page, &root);
        view::signatures(&mut page, &envelope, &[Some(&root)]);
        return page.print().map(|()| Exit::Ok);
    }
    let client = app.connect().await?;
    let mut book = Book::open(&args.pins, app)?;
    let trust: Trust = client.get(&format!("{API}/trust")).await?;
    let chain = book.see_roots(&client).await?.ok_or_else(no_root)?;
    let wanted = args.version.unwrap_or(chain.newest().version());
    let info = match trust.root.clone().filter(|root| root.version == wanted) {
        Some(root) => root,
        None => {
            let after = RootQuery { after: wanted.checked_sub(1) };
            let found: Roots = client.query(&format!("{API}/trust/roots"), &after).await?;
            let found = found.roots.into_iter().find(|root| root.version == wanted);
            found.ok_or_else(|| {
                Fault::new(Exit::NotFound, format!("there is no version {wanted} of the trust root; the newest is {}", chain.newest().version()))
            })?
        }
    };
    let root = read(&info.envelope)?;
    if app.out.structured() {
        return app.out.value(root.doc()).map(|()| Exit::Ok);
    }
    let mut page = Page::new(app.out);
    page.head(&format!("The trust root, version {}", root.version()));
    page.field("Published", format!("{} by {}", when::full(info.published_at), info.published_by));
    view::whole(&mut page, &root);
    view::signatures(&mut page, &info.envelope, &[Some(&root)]);
    if args.version.is_none() {
        view::nodes(&mut page, &trust);
    }
    page.print().map(|()| Exit::Ok)
}

async fn doctor(args: DoctorArgs, app: &App<'_>) -> Result {
    let draft = args.file.as_deref().map(draft::read_envelope).transpose()?.map(|(_, root)| root);
    let check: RootCheck = match (&draft, args.local) {
        (Some(root), true) => view::look(root, None, when::now()),
        (Some(root), false) => match app.connect().await {
            Ok(client) => asked(&client, Some(root)).await?,
            Err(_) => {
                note("no server is signed in to, so templates and the published root are not looked at");
                view::look(root, None, when::now())
            }
        },
        (None, _) => asked(&app.connect().await?, None).await?,
    };
    let bad = check.findings.iter().any(|finding| finding.severity == "error");
    let exit = if bad { Exit::Differs } else { Exit::Ok };
    if app.out.structured() {
        return app.out.value(&check).map(|()| exit);
    }
    let mut page = Page::new(app.out);
    view::changed(&mut page, &check.changes);
    view::findings(&mut page, &check);
    page.print().map(|()| exit)
}

/// What is odd about a root by itself, and what it means for the templates of a server, when one can be asked.
async fn looked(root: &Root, current: Option<&Root>, app: &App<'_>) -> RootCheck {
    let mut check = view::look(root, current, when::now());
    if let Ok(client) = app.connect().await {
        check.findings.extend(unfit(&client, root).await);
        let rank = |found: &RootFinding| ["error", "warning", "note"].iter().position(|known| *known == found.severity);
        check.findings.sort_by_key(rank);
    }
    check
}

/// The server's templates that a root would not do for.
async fn unfit(client: &Client, root: &Root) -> Vec<RootFinding> {
    let fit = |found: &RootFinding| !found.about.starts_with("template ") || found.severity == "note";
    found(client, root).await.into_iter().filter(|found| !fit(found)).collect()
}

/// What the server finds odd about a root, with its templates.
async fn found(client: &Client, root: &Root) -> Vec<RootFinding> {
    match asked(client, Some(root)).await {
        Ok(check) => check.findings,
        Err(fault) => {
            note(&format!("the server's templates are not looked at: {}", crate::diagnose::text(&fault, false)));
            Vec::new()
        }
    }
}

async fn asked(client: &Client, root: Option<&Root>) -> Result<RootCheck> {
    let document = root.map(|root| serde_json::to_value(root.doc())).transpose().map_err(|e| Fault::new(Exit::Internal, e.to_string()))?;
    Ok(client.post(&format!("{API}/trust/check"), &CheckRoot { document }).await?)
}
