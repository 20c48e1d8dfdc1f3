//! The order of a pack's queries, from the tables that their SQL reads.

use super::PackQuery;
use crate::engine::tables_read;
use crate::error::{Error, Result, did_you_mean};

/// Finds what each query reads and puts the queries in an order in which each comes after those.
/// Among queries that are free to run, the alphabet decides, so that the order is always the same.
pub(super) fn order(mut queries: Vec<PackQuery>) -> Result<Vec<PackQuery>> {
    let names: Vec<String> = queries.iter().map(|query| query.name.clone()).collect();
    for query in &mut queries {
        // A query that names itself reads the project's table of that name.
        query.reads = tables_read(&query.statement)?
            .into_iter()
            .filter(|table| names.contains(table) && *table != query.name)
            .collect();
    }
    let mut ordered: Vec<PackQuery> = Vec::with_capacity(queries.len());
    while !queries.is_empty() {
        let free = queries.iter().position(|query| {
            query
                .reads
                .iter()
                .all(|read| ordered.iter().any(|done| done.name == *read))
        });
        let Some(index) = free else {
            let stuck: Vec<&str> = queries.iter().map(|query| query.name.as_str()).collect();
            return Err(Error::usage(format!(
                "these queries wait for each other: {}",
                stuck.join(", ")
            ))
            .hint("rename one, or let it read the project's tables"));
        };
        ordered.push(queries.remove(index));
    }
    Ok(ordered)
}

/// Keeps the queries that `selection` asks for: `a,b` keeps a, b and all that they read; `a+` keeps
/// also all that read a.
pub(super) fn select(queries: &mut Vec<PackQuery>, selection: &str) -> Result<()> {
    let mut kept: Vec<String> = Vec::new();
    for word in selection
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        let name = word.strip_suffix('+').unwrap_or(word);
        let known = |query: &&PackQuery| query.name == name;
        if queries.iter().find(known).is_none() {
            let error = Error::usage(format!("--select: no query named '{name}'"));
            let names: Vec<&str> = queries.iter().map(|query| query.name.as_str()).collect();
            return Err(error.hint(
                did_you_mean(name, names.iter().copied())
                    .unwrap_or_else(|| format!("queries: {}", names.join(", "))),
            ));
        }
        let mut wanted = vec![name.to_owned()];
        if word.ends_with('+') {
            // In order, so that one pass finds the readers of readers.
            for query in queries.iter() {
                if query.reads.iter().any(|read| wanted.contains(read)) {
                    wanted.push(query.name.clone());
                }
            }
        }
        kept.append(&mut wanted);
    }
    for query in queries.iter().rev() {
        if kept.contains(&query.name) {
            kept.extend(query.reads.iter().cloned());
        }
    }
    queries.retain(|query| kept.contains(&query.name));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::sql::parser::DFParser;

    fn parsed(queries: &[(&str, &str)]) -> Vec<PackQuery> {
        queries
            .iter()
            .map(|(name, sql)| PackQuery {
                name: (*name).to_owned(),
                description: String::new(),
                statement: DFParser::parse_sql(sql).unwrap().pop_front().unwrap(),
                checks: vec![],
                show: false,
                reads: vec![],
            })
            .collect()
    }

    fn ordered(queries: &[(&str, &str)]) -> Result<Vec<String>> {
        Ok(order(parsed(queries))?
            .into_iter()
            .map(|query| query.name)
            .collect())
    }

    #[test]
    fn a_selection_keeps_what_it_needs() {
        let all = order(parsed(&[
            ("a", "SELECT * FROM events"),
            ("b", "SELECT * FROM a"),
            ("c", "SELECT * FROM b"),
            ("d", "SELECT * FROM a"),
        ]))
        .unwrap();
        let kept = |selection: &str| {
            let mut queries = all.clone();
            select(&mut queries, selection).map(|()| {
                queries
                    .into_iter()
                    .map(|query| query.name)
                    .collect::<Vec<_>>()
                    .join(" ")
            })
        };
        assert_eq!(kept("b").unwrap(), "a b");
        assert_eq!(kept("b+").unwrap(), "a b c");
        assert_eq!(kept("d, c").unwrap(), "a b c d");
        assert!(
            kept("bb")
                .unwrap_err()
                .to_string()
                .contains("no query named 'bb'")
        );
    }

    #[test]
    fn a_query_comes_after_what_it_reads() {
        let order = ordered(&[
            (
                "a",
                "SELECT * FROM (SELECT * FROM c) x WHERE id IN (SELECT id FROM b)",
            ),
            ("b", "WITH t AS (SELECT * FROM c) SELECT * FROM t"),
            ("c", "SELECT * FROM events"),
        ]);
        assert_eq!(order.unwrap(), ["c", "b", "a"]);
    }

    #[test]
    fn its_own_name_is_the_projects_table() {
        assert_eq!(
            ordered(&[("orders", "SELECT * FROM orders")]).unwrap(),
            ["orders"]
        );
    }

    #[test]
    fn cycles_are_named() {
        let error = ordered(&[
            ("a", "SELECT * FROM b"),
            ("b", "SELECT * FROM a"),
            ("c", "SELECT 1"),
        ])
        .unwrap_err()
        .to_string();
        assert!(error.contains("wait for each other: a, b\n"), "{error}");
    }
}
