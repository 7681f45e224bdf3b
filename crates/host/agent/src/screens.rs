//! Pictures of screens: one grab a second for each machine at most, however many ask; scaled down here, and never larger
//! than a message may be. What a guest draws is hostile: a picture is read line by line, within bounds, and never as a
//! whole.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hostler_model::channel::MOST_PICTURE_BYTES;
use hostler_model::{Code, Refusal};
use uuid::Uuid;

/// How long a grab, or the reason why there is none, is the newest.
const NEW: Duration = Duration::from_secs(1);
/// How long one is kept that nobody asks for.
const KEPT: Duration = Duration::from_secs(2);
/// How many grabs there are at a time on the computer: each holds a picture as QEMU wrote it.
const AT_A_TIME: usize = 4;
/// The most pixels that a screen is wide or high.
const MOST_PIXELS: u32 = 16_384;
/// What reading a picture may take of memory, beside the picture itself: a few lines.
const READING_BYTES: usize = 4 << 20;
/// The widths that a picture is scaled to which is too large as it is.
const SMALLER: [u32; 5] = [1_920, 1_280, 960, 640, 320];

/// The newest pictures.
#[derive(Debug, Default)]
pub(crate) struct Screens {
    all: Mutex<HashMap<Uuid, Arc<Mutex<Option<Grab>>>>>,
    places: [Mutex<()>; AT_A_TIME],
}

/// What a machine's screen showed.
#[derive(Debug)]
struct Grab {
    at: Instant,
    /// As large as may be, and what was scaled of it.
    picture: Result<Vec<u8>, Refusal>,
    scaled: HashMap<u32, Vec<u8>>,
}

impl Screens {
    /// The newest picture, at most so wide; taken now unless one was within the second.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn newest(
        &self,
        domain: Uuid,
        width: Option<u32>,
        take: impl FnOnce() -> Result<Vec<u8>, Refusal>,
    ) -> Result<Vec<u8>, Refusal> {
        let last = {
            let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, last| {
                Arc::strong_count(last) > 1
                    || last
                        .try_lock()
                        .is_ok_and(|last| last.as_ref().is_some_and(|grab| grab.at.elapsed() < KEPT))
            });
            Arc::clone(all.entry(domain).or_default())
        };
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let grab = match last.take() {
            Some(grab) if grab.at.elapsed() < NEW => last.insert(grab),
            _ => {
                let place = &self.places[(domain.as_u128() % AT_A_TIME as u128) as usize];
                let _place = place.lock().unwrap_or_else(PoisonError::into_inner);
                let picture = take().and_then(bounded);
                last.insert(Grab { at: Instant::now(), picture, scaled: HashMap::new() })
            }
        };
        let picture = grab.picture.as_ref().map_err(Clone::clone)?;
        let Some(width) = width else { return Ok(picture.clone()) };
        if let Some(known) = grab.scaled.get(&width) {
            return Ok(known.clone());
        }
        let scaled = scaled(picture, width).map_err(|why| unfit(&why))?;
        grab.scaled.insert(width, scaled.clone());
        Ok(scaled)
    }
}

fn unfit(why: &str) -> Refusal {
    Refusal::new(Code::HypervisorFailed, "screen", format!("its picture cannot be used: {why}"))
}

/// A picture as large as may be.
fn bounded(picture: Vec<u8>) -> Result<Vec<u8>, Refusal> {
    if picture.len() <= MOST_PICTURE_BYTES {
        size(&picture).map_err(|why| unfit(&why))?;
        return Ok(picture);
    }
    for width in SMALLER {
        let smaller = scaled(&picture, width).map_err(|why| unfit(&why))?;
        if smaller.len() <= MOST_PICTURE_BYTES {
            return Ok(smaller);
        }
    }
    Err(unfit("it stays too large"))
}

fn reader(picture: &[u8]) -> Result<png::Reader<Cursor<&[u8]>>, String> {
    let mut decoder =
        png::Decoder::new_with_limits(Cursor::new(picture), png::Limits { bytes: READING_BYTES });
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let reader = decoder.read_info().map_err(|why| why.to_string())?;
    let info = reader.info();
    if info.interlaced {
        return Err("it is interlaced".into());
    }
    if info.width.max(info.height) > MOST_PIXELS {
        return Err(format!("it has {} × {} pixels", info.width, info.height));
    }
    Ok(reader)
}

fn size(picture: &[u8]) -> Result<(u32, u32), String> {
    let reader = reader(picture)?;
    Ok((reader.info().width, reader.info().height))
}

/// A picture at most so wide: each pixel is the mean of those that it stands for.
fn scaled(picture: &[u8], most_width: u32) -> Result<Vec<u8>, String> {
    let mut reader = reader(picture)?;
    let (from_width, from_height) = (reader.info().width as usize, reader.info().height as usize);
    if from_width <= most_width as usize {
        return Ok(picture.to_vec());
    }
    let width = most_width as usize;
    let height = (from_height * width / from_width).max(1);
    let (color, _) = reader.output_color_type();
    let samples = color.samples();
    // Where alpha is told it is left away: a screen has none.
    let channels = if samples < 3 { 1 } else { 3 };
    let column: Vec<usize> = (0..from_width).map(|x| x * width / from_width).collect();
    let mut of_column = vec![0_u32; width];
    for x in &column {
        of_column[*x] += 1;
    }
    let mut sums = vec![0_u32; width * channels];
    let (mut pixels, mut lines) = (Vec::with_capacity(width * height * channels), 0);
    for y in 0..from_height {
        let Some(row) = reader.next_row().map_err(|why| why.to_string())? else {
            return Err("it ends too soon".into());
        };
        for (x, pixel) in column.iter().zip(row.data().chunks_exact(samples)) {
            for (sum, sample) in sums[x * channels..].iter_mut().zip(&pixel[..channels]) {
                *sum += u32::from(*sample);
            }
        }
        lines += 1;
        if y + 1 == from_height || (y + 1) * height / from_height > y * height / from_height {
            let means =
                sums.iter().enumerate().map(|(at, sum)| (sum / (of_column[at / channels] * lines)) as u8);
            pixels.extend(means);
            sums.fill(0);
            lines = 0;
        }
    }
    let height = pixels.len() / (width * channels);
    written(&pixels, width, height, channels).map_err(|why| why.to_string())
}

/// A picture of one or three channels as PNG.
pub(crate) fn written(
    pixels: &[u8],
    width: usize,
    height: usize,
    channels: usize,
) -> Result<Vec<u8>, png::EncodingError> {
    let mut png = Vec::new();
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    let mut encoder = png::Encoder::new(&mut png, side(width), side(height));
    encoder.set_color(if channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    encoder.set_compression(png::Compression::Fast);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn noise(width: usize, height: usize) -> Vec<u8> {
        let mut seed = 1_u32;
        let pixels = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        });
        written(&pixels.take(width * height * 3).collect::<Vec<_>>(), width, height, 3).unwrap()
    }

    fn pixels(png: &[u8]) -> (usize, usize, Vec<u8>) {
        let mut reader = reader(png).unwrap();
        let (width, height) = (reader.info().width as usize, reader.info().height as usize);
        let mut pixels = Vec::new();
        while let Some(row) = reader.next_row().unwrap() {
            pixels.extend_from_slice(row.data());
        }
        (width, height, pixels)
    }

    #[test]
    fn a_thumbnail_shows_the_means_of_what_it_stands_for() {
        // Left half red, right half blue, the lower half black.
        let mut whole = Vec::new();
        for y in 0..200 {
            for x in 0..640 {
                let light = if y < 100 { 200 } else { 0 };
                whole.extend_from_slice(&if x < 320 { [light, 0, 0] } else { [0, 0, light] });
            }
        }
        let png = written(&whole, 640, 200, 3).unwrap();
        let (width, height, small) = pixels(&scaled(&png, 80).unwrap());
        assert_eq!((width, height), (80, 25));
        let at = |x: usize, y: usize| &small[(y * 80 + x) * 3..][..3];
        assert_eq!((at(0, 0), at(79, 0), at(40, 24)), (&[200, 0, 0][..], &[0, 0, 200][..], &[0, 0, 0][..]));
        assert_eq!(at(10, 12)[0], 100, "half of its lines are dark");
        assert_eq!(scaled(&png, 640).unwrap(), png, "nothing is made larger");
    }

    #[test]
    fn a_picture_that_is_too_large_for_a_message_is_made_smaller_and_one_that_is_no_picture_is_refused() {
        let large = noise(2_048, 1_536);
        assert!(large.len() > 4 * MOST_PICTURE_BYTES);
        let sent = Screens::default().newest(Uuid::nil(), None, || Ok(large.clone())).unwrap();
        assert!(sent.len() <= MOST_PICTURE_BYTES, "{}", sent.len());
        assert_eq!(pixels(&sent).0, 960);

        let small = noise(100, 100);
        let mut wide = small.clone();
        // A header that claims more than there is: the sum of its chunk is then wrong, too.
        wide[16..20].copy_from_slice(&u32::MAX.to_be_bytes());
        let tall = written(&vec![0; 20_000], 1, 20_000, 1).unwrap();
        for bad in [Vec::new(), b"P6 1 1 255".to_vec(), wide, tall] {
            let refused = Screens::default().newest(Uuid::nil(), Some(80), || Ok(bad)).unwrap_err();
            assert_eq!(refused.code, Code::HypervisorFailed);
        }
        for cut in [20, 60, small.len() / 2] {
            let cut = small[..cut].to_vec();
            assert!(Screens::default().newest(Uuid::nil(), Some(80), || Ok(cut)).is_err());
        }
    }

    #[test]
    fn all_widths_of_a_second_are_made_of_one_grab() {
        let (screens, taken) = (Screens::default(), AtomicU32::new(0));
        let take = || {
            taken.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(30));
            Ok(noise(400, 300))
        };
        std::thread::scope(|scope| {
            for width in [None, Some(80), Some(160), Some(80)] {
                let screens = &screens;
                scope.spawn(move || screens.newest(Uuid::nil(), width, take).unwrap());
            }
        });
        assert_eq!(taken.load(Ordering::Relaxed), 1);
        std::thread::sleep(NEW);
        screens.newest(Uuid::nil(), None, take).unwrap();
        assert_eq!(taken.load(Ordering::Relaxed), 2);
    }
}
