//! Hiding secrets in what a bundle prints.

use crate::rounds::{Rounds, time};
use crate::row::Row;
use coffer_host::{Mask, Secret};
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::thread;

/// Bytes that are printed in all, and in one piece.
const ALL: usize = 1 << 30;
const PIECE: usize = 64 << 10;

const SECRETS: usize = 100;

pub(crate) fn rows() -> Vec<Row> {
    let secrets: Vec<Secret> = (0..SECRETS)
        .map(|number| Secret::from(format!("value-{number}-9Zt2Lm4Rp6Xk7Qv")))
        .collect();
    let mask = Mask::new(&secrets);
    // What programs print, with a secret here and there.
    let mut text = Vec::new();
    for line in 0.. {
        text.extend(
            format!(
                "2026-11-24T12:00:00Z INFO step {line}: created resource /subscriptions/{line}\n"
            )
            .into_bytes(),
        );
        if line % 100 == 0 {
            text.extend(secrets[line % SECRETS].expose());
        }
        if text.len() >= PIECE {
            break;
        }
    }
    text.truncate(PIECE);
    let masked = || {
        let mut stream = mask.stream();
        for _ in 0..ALL / PIECE {
            black_box(stream.write(black_box(&text)));
        }
        black_box(stream.finish());
    };
    let rounds = Rounds::of(3, [&mut || time(masked), &mut || time(|| through_a_pipe(&text))]);
    let speed = |way| ALL as f64 / rounds.middle(way).as_secs_f64() / 1e6;
    let (masking, pipe) = (speed(0), speed(1));
    vec![Row::at_least(
        "masking 1 GiB for 100 secrets with their encodings",
        "through a pipe to nowhere",
        masking,
        500.0,
        " MB/s",
        &format!("{masking:.0} MB/s (the pipe {pipe:.0} MB/s)"),
    )]
}

fn through_a_pipe(text: &[u8]) {
    let (mut from, mut to) = std::io::pipe().expect("there is room for a pipe");
    thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..ALL / PIECE {
                to.write_all(text).expect("somebody reads");
            }
        });
        let mut piece = vec![0; PIECE];
        while from.read(&mut piece).expect("somebody writes") > 0 {}
    });
}
