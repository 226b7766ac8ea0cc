//! What is changed in a file: the mutants, each as pieces of text that are put between what is there, so that one
//! stands in another without either knowing.

use proc_macro2::Span;
use std::collections::BTreeSet;
use std::ops::Range;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, ReturnType, Stmt};

/// Mutants that stand or fall together, because they share what is put in.
pub(crate) struct Change {
    /// Of the first one.
    pub(crate) number: u32,
    /// What each one does.
    pub(crate) what: Vec<String>,
    pub(crate) function: String,
    pub(crate) line: usize,
    before: Option<(usize, String)>,
    instead: Option<(Range<usize>, String)>,
    between: Option<(usize, String)>,
    after: Option<(usize, String)>,
}

/// All changes of a file, with numbers from `first` on.
pub(crate) fn all(text: &str, first: u32) -> Vec<Change> {
    let file = syn::parse_file(text).expect("it compiles");
    let mut finder = Finder { text, next: first, function: Vec::new(), changes: Vec::new() };
    finder.visit_file(&file);
    finder.changes
}

/// The text with the changes, but those whose number is in `dropped`; and where in it each of them is.
pub(crate) fn written(
    text: &str,
    changes: &[Change],
    dropped: &BTreeSet<u32>,
) -> (String, Vec<(u32, Range<usize>)>) {
    // What ends somewhere stands before what begins there; the innermost ends first and begins last.
    let mut pieces: Vec<(usize, u8, i64, usize, &str, u32)> = Vec::new();
    for change in changes.iter().filter(|change| !dropped.contains(&change.number)) {
        let (number, order) = (change.number, i64::from(change.number));
        for (at, piece) in change.after.iter().chain(&change.between) {
            pieces.push((*at, 0, -order, *at, piece, number));
        }
        if let Some((at, piece)) = &change.before {
            pieces.push((*at, 1, order, *at, piece, number));
        }
        if let Some((range, piece)) = &change.instead {
            pieces.push((range.start, 2, order, range.end, piece, number));
        }
    }
    pieces.sort_unstable();
    let (mut written, mut reached) = (String::new(), 0);
    let mut places: Vec<(u32, Range<usize>)> = Vec::new();
    for (at, _, _, on, piece, number) in pieces {
        written.push_str(&text[reached..at]);
        let begin = written.len();
        written.push_str(piece);
        reached = on;
        match places.iter_mut().find(|(known, _)| *known == number) {
            Some((_, place)) => place.end = written.len(),
            None => places.push((number, begin..written.len())),
        }
    }
    written.push_str(&text[reached..]);
    (written, places)
}

struct Finder<'t> {
    text: &'t str,
    next: u32,
    function: Vec<String>,
    changes: Vec<Change>,
}

const IS: &str = "crate::mutant::is";

impl Finder<'_> {
    /// A further change, which `put` is told the number of.
    fn add(&mut self, at: Span, what: &[String], put: impl FnOnce(u32, &mut Change)) {
        let mut change = Change {
            number: self.next,
            what: what.to_vec(),
            function: self.function.last().cloned().unwrap_or_default(),
            line: at.start().line,
            before: None,
            instead: None,
            between: None,
            after: None,
        };
        self.next += what.len() as u32;
        put(change.number, &mut change);
        self.changes.push(change);
    }

    fn shown(&self, span: Span) -> String {
        let text = self.text[span.byte_range()].split_whitespace().collect::<Vec<_>>().join(" ");
        if text.chars().count() > 70 {
            text.chars().take(69).chain(['…']).collect()
        } else {
            text
        }
    }

    /// What decides: each part of a chain that has a pattern in it, or the whole.
    fn condition(&mut self, condition: &Expr, may_hold: bool) {
        match condition {
            Expr::Binary(both) if matches!(both.op, BinOp::And(_)) && has_pattern(condition) => {
                self.condition(&both.left, may_hold);
                self.condition(&both.right, may_hold);
            }
            Expr::Let(_) => {
                let range = condition.span().byte_range();
                let what = format!("never `{}`", self.shown(condition.span()));
                self.add(condition.span(), &[what], |n, change| {
                    change.after = Some((range.end, format!(" && !{IS}({n})")));
                });
            }
            _ => {
                let range = condition.span().byte_range();
                let shown = self.shown(condition.span());
                let mut what = vec![format!("never `{shown}`")];
                if may_hold {
                    what.push(format!("always `{shown}`"));
                }
                self.add(condition.span(), &what, |n, change| {
                    change.before = Some((range.start, "(((".into()));
                    let always = if may_hold { format!("{IS}({})", n + 1) } else { "false".into() };
                    change.after = Some((range.end, format!(") || {always}) && !{IS}({n}))")));
                });
            }
        }
    }

    fn body(&mut self, signature: &syn::Signature, body: &syn::Block) {
        self.function.push(signature.ident.to_string());
        let output = match &signature.output {
            ReturnType::Default => "()".to_owned(),
            ReturnType::Type(_, output) => self.text[output.span().byte_range()].to_owned(),
        };
        let values: &[&str] = match output.as_str() {
            "bool" => &["true", "false"],
            "()" => &["()"],
            "io::Result<()>" => &["Ok(())"],
            _ if output.starts_with("Result<()") => &["Ok(())"],
            _ if output.starts_with("Option<") => &["None"],
            _ => &[],
        };
        if signature.constness.is_none() && signature.ident != "fmt" && !values.is_empty() {
            let at = body.brace_token.span.open().byte_range().end;
            let what: Vec<_> = values.iter().map(|value| format!("is {value}")).collect();
            self.add(signature.ident.span(), &what, |n, change| {
                let early = |(value, n): (_, u32)| format!(" if {IS}({n}) {{ return {value}; }}");
                change.before = Some((at, values.iter().zip(n..).map(early).collect()));
            });
        }
        if signature.constness.is_none() {
            visit::visit_block(self, body);
        }
        self.function.pop();
    }
}

fn has_pattern(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(both) => has_pattern(&both.left) || has_pattern(&both.right),
        _ => false,
    }
}

/// Whether something is there in tests only, or on systems that this is not.
fn elsewhere(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return false };
        let said = list.tokens.to_string();
        list.path.is_ident("cfg") && (said.starts_with("test") || said.starts_with("not"))
    })
}

/// Calls that give what is the same, or of another type than what they take.
const SAME: &[&str] = &[
    "and_then",
    "as_bytes",
    "as_deref",
    "as_mut",
    "as_ref",
    "as_slice",
    "as_str",
    "by_ref",
    "bytes",
    "chars",
    "clone",
    "collect",
    "contains",
    "contains_key",
    "copied",
    "count",
    "err",
    "expect",
    "find",
    "first",
    "fuse",
    "get",
    "get_mut",
    "into",
    "into_iter",
    "into_owned",
    "is_empty",
    "is_err",
    "is_none",
    "is_ok",
    "is_some",
    "iter",
    "iter_mut",
    "last",
    "len",
    "lines",
    "lock",
    "map",
    "map_err",
    "next",
    "ok",
    "ok_or",
    "ok_or_else",
    "parse",
    "pop",
    "position",
    "remove",
    "split",
    "split_once",
    "starts_with",
    "sum",
    "take",
    "to_owned",
    "to_string",
    "to_vec",
    "try_into",
    "unwrap_or",
    "unwrap_or_default",
    "unwrap_or_else",
    "values",
];

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        match item {
            syn::Item::Mod(module) if elsewhere(&module.attrs) => {}
            syn::Item::Impl(block) if elsewhere(&block.attrs) => {}
            syn::Item::Const(_) | syn::Item::Static(_) => {}
            syn::Item::Fn(function) if elsewhere(&function.attrs) => {}
            syn::Item::Fn(function) => self.body(&function.sig, &function.block),
            other => visit::visit_item(self, other),
        }
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        match item {
            syn::ImplItem::Fn(function) if elsewhere(&function.attrs) => {}
            syn::ImplItem::Fn(function) => self.body(&function.sig, &function.block),
            // Constants are held against the document.
            _ => {}
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let (can_go, attributes) = match statement {
            Stmt::Expr(expression, Some(_)) => match expression {
                Expr::Assign(_)
                | Expr::Await(_)
                | Expr::Binary(_)
                | Expr::Break(_)
                | Expr::Call(_)
                | Expr::Continue(_)
                | Expr::MethodCall(_)
                | Expr::Return(_)
                | Expr::Try(_) => (true, &[][..]),
                _ => (false, &[][..]),
            },
            Stmt::Local(local) => (matches!(local.pat, syn::Pat::Wild(_)), &local.attrs[..]),
            _ => (false, &[][..]),
        };
        if elsewhere(attributes) {
            return;
        }
        if can_go {
            let range = statement.span().byte_range();
            let what = format!("without `{}`", self.shown(statement.span()));
            self.add(statement.span(), &[what], |n, change| {
                change.before = Some((range.start, format!("if !{IS}({n}) {{ ")));
                change.after = Some((range.end, " }".into()));
            });
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_expr_if(&mut self, decides: &'ast syn::ExprIf) {
        self.condition(&decides.cond, true);
        visit::visit_expr_if(self, decides);
    }

    fn visit_expr_while(&mut self, decides: &'ast syn::ExprWhile) {
        self.condition(&decides.cond, false);
        visit::visit_expr_while(self, decides);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if let Some((_, guard)) = &arm.guard {
            self.condition(guard, true);
        }
        visit::visit_arm(self, arm);
    }

    fn visit_expr_binary(&mut self, both: &'ast syn::ExprBinary) {
        let (left, right) = (both.left.span().byte_range(), both.right.span().byte_range());
        let operator = both.op.span().byte_range();
        let shown = self.shown(both.span());
        let called = |name: &str, what: &[&str], by: &str, finder: &mut Self| {
            let what: Vec<_> = what.iter().map(|what| format!("`{what}` in `{shown}`")).collect();
            finder.add(both.op.span(), &what, |n, change| {
                change.before = Some((left.start, format!("crate::mutant::{name}({n}, {by}(")));
                change.instead = Some((operator.clone(), format!("), {by}(")));
                change.after = Some((right.end, "))".into()));
            });
        };
        match both.op {
            BinOp::Lt(_) => called("lt", &["<=", ">="], "&", self),
            BinOp::Le(_) => called("le", &["<", ">"], "&", self),
            BinOp::Gt(_) => called("gt", &[">=", "<="], "&", self),
            BinOp::Ge(_) => called("ge", &[">", "<"], "&", self),
            BinOp::Eq(_) => called("eq", &["!="], "&", self),
            BinOp::Ne(_) => called("ne", &["=="], "&", self),
            BinOp::Add(_) => called("add", &["-"], "", self),
            BinOp::Sub(_) => called("sub", &["+"], "", self),
            BinOp::Mul(_) => called("mul", &["/"], "", self),
            BinOp::Div(_) => called("div", &["*"], "", self),
            BinOp::And(_) | BinOp::Or(_)
                if !has_pattern(&both.left) && !has_pattern(&both.right) =>
            {
                // By De Morgan: both sides and the whole turned round.
                let (itself, other) =
                    if matches!(both.op, BinOp::And(_)) { ("&&", "||") } else { ("||", "&&") };
                self.add(both.op.span(), &[format!("`{other}` in `{shown}`")], |n, change| {
                    change.before = Some((left.start, "((((".into()));
                    change.instead =
                        Some((operator.clone(), format!(") ^ {IS}({n})) {itself} ((")));
                    change.after = Some((right.end, format!(") ^ {IS}({n}))) ^ {IS}({n}))")));
                });
            }
            _ => {}
        }
        visit::visit_expr_binary(self, both);
    }

    /// A link of a chain of calls, if it gives what it takes.
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let name = call.method.to_string();
        if !SAME.contains(&name.as_str()) {
            let (whole, receiver) = (call.span().byte_range(), call.receiver.span().byte_range());
            let link = self.text[receiver.end..whole.end].split_whitespace().collect::<String>();
            let link = link.chars().take(70).collect::<String>();
            self.add(call.method.span(), &[format!("without `{link}`")], |n, change| {
                change.before = Some((whole.start, "(match (".into()));
                let middle = format!(") {{ it__ => if !{IS}({n}) {{ it__");
                change.between = Some((receiver.end, middle));
                change.after = Some((whole.end, " } else { it__ } })".into()));
            });
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if call.path.segments.last().is_some_and(|segment| segment.ident == "select")
            && let Ok(Select(parts)) = syn::parse2(call.tokens.clone())
        {
            // They do not live as long as the file, and the visitor keeps nothing of them.
            let mut within = Finder {
                text: self.text,
                next: self.next,
                function: self.function.clone(),
                changes: Vec::new(),
            };
            parts.iter().for_each(|part| within.visit_expr(part));
            self.next = within.next;
            self.changes.append(&mut within.changes);
        }
    }
}

/// What is waited for and what is done then, in a `select!`.
struct Select(Vec<Expr>);

impl Parse for Select {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut parts = Vec::new();
        while !input.is_empty() {
            syn::Pat::parse_multi_with_leading_vert(input)?;
            input.parse::<syn::Token![=]>()?;
            parts.push(input.parse()?);
            input.parse::<syn::Token![=>]>()?;
            parts.push(Expr::parse_with_earlier_boundary_rule(input)?);
            input.parse::<Option<syn::Token![,]>>()?;
        }
        Ok(Self(parts))
    }
}
