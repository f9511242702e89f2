//! Images against a plain vector, with a file underneath.

use super::{Image, Piece};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Write(u64, Vec<u8>),
    Resize(u64),
    Freeze,
    Copy,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => (0u64..200, prop::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..90)).prop_map(|(at, data)| Op::Write(at, data)),
        2 => (0u64..260).prop_map(Op::Resize),
        1 => Just(Op::Freeze),
        1 => Just(Op::Copy),
    ]
}

fn contents(image: &Image, file: &[u8], from: usize, to: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in image.pieces(from as u64, to - from) {
        match piece {
            Piece::Data(data) => out.extend_from_slice(&data),
            Piece::Zeros(len) => out.resize(out.len() + len, 0),
            Piece::Base { offset, len } => {
                out.extend_from_slice(&file[offset as usize..offset as usize + len]);
            }
        }
    }
    out
}

/// Carries out only what [`Image::changes`] says of a write.
fn write_changes(image: &mut Image, at: u64, data: &[u8], bound: u64) {
    let changes = image.changes(at, data);
    assert!(!changes.runs.is_empty(), "a sync after a write has something to wait for");
    if let Some(len) = changes.grown {
        image.resize(len, bound);
    }
    for run in changes.runs {
        image.write(at + run.start as u64, &data[run], bound);
    }
}

#[test]
fn a_page_written_again_changes_little() {
    let mut page = vec![0; 4096];
    let mut image = Image::empty(false);
    write_changes(&mut image, 0, &page, u64::MAX);
    page[..100].fill(7);
    page[4084..].fill(9);
    let changes = image.changes(0, &page);
    assert_eq!((changes.grown, changes.runs), (None, vec![0..128, 4064..4096]));
    let longer = image.changes(4090, &[1; 10]);
    let run = |end| vec![std::ops::Range { start: 0, end }];
    assert_eq!((longer.grown, longer.runs), (None, run(10)));
    let zeros = image.changes(4096, &[0; 100]);
    assert_eq!((zeros.grown, zeros.runs), (Some(4196), run(1)));
}

proptest! {
    #[test]
    fn an_image_reads_as_the_vector_it_stands_for(
        ops in prop::collection::vec(op(), 1..60),
        (spilled, sparse) in any::<(bool, bool)>(),
        range in (0usize..260, 0usize..260),
    ) {
        let mut image = Image::empty(spilled);
        let (mut model, mut file, mut frozen_len) = (Vec::new(), Vec::new(), None);
        for op in ops {
            match op {
                Op::Write(at, data) => {
                    let end = at as usize + data.len();
                    if !data.is_empty() && model.len() < end {
                        model.resize(end, 0);
                    }
                    if !data.is_empty() {
                        model[at as usize..end].copy_from_slice(&data);
                    }
                    if sparse && !data.is_empty() {
                        write_changes(&mut image, at, &data, 128);
                    } else {
                        image.write(at, &data, 128);
                    }
                }
                Op::Resize(len) => {
                    model.resize(len as usize, 0);
                    image.resize(len, 128);
                }
                Op::Freeze if frozen_len.is_none() => {
                    frozen_len = image.freeze().then(|| image.len() as usize);
                }
                Op::Freeze => {}
                Op::Copy => {
                    let Some(len) = frozen_len.take() else { continue };
                    let frozen = image.frozen().expect("frozen above");
                    file.resize(frozen.base_len as usize, 0u8);
                    for (&at, data) in frozen.extents() {
                        let end = at as usize + data.len();
                        if file.len() < end {
                            file.resize(end, 0);
                        }
                        file[at as usize..end].copy_from_slice(data);
                    }
                    file.resize(len, 0);
                    image.thaw();
                }
            }
            prop_assert_eq!(image.len() as usize, model.len());
            prop_assert_eq!(&contents(&image, &file, 0, model.len()), &model);
        }
        let (from, to) = (range.0.min(model.len()), range.1.min(model.len()));
        if from <= to {
            prop_assert_eq!(&contents(&image, &file, from, to), &model[from..to]);
        }
    }
}
