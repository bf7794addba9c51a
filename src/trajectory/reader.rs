//! Reading trajectories, one after another and one at a time, so that a file of any length needs the memory of its largest
//! trajectory.

use std::io::{self, BufRead};

use super::{FORMAT, Header, LINE_BYTES_MAX, Line, TRAJECTORY_BYTES_MAX, Trajectory, TrajectoryError, VERSION};

/// The trajectories in a file of JSON Lines, in order. A broken line costs the trajectory it stands in: it is told, and
/// reading goes on where the next one begins.
#[derive(Debug)]
pub struct Trajectories<R> {
    reader: R,
    /// Number of the line read last.
    line: usize,
    text: Vec<u8>,
    /// What was read behind a trajectory and doesn't belong to it.
    ahead: Option<Read>,
    /// True behind a broken line: whatever stands before the next header belongs to nothing.
    lost: bool,
    /// True once the reader has failed or given everything.
    ended: bool,
}

/// A trajectory and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Number of the trajectory's first line, from 1.
    pub line: usize,
    /// The trajectory.
    pub trajectory: Trajectory,
}

/// What a line turned out to be.
#[derive(Debug)]
enum Read {
    Line(Line),
    Broken(String),
    Nothing,
}

impl<R: BufRead> Trajectories<R> {
    /// The trajectories that `reader` gives.
    pub fn new(reader: R) -> Self {
        Self { reader, line: 0, text: Vec::new(), ahead: None, lost: false, ended: false }
    }

    /// The next trajectory; none at the end.
    fn next_found(&mut self) -> Result<Option<Found>, TrajectoryError> {
        let Some((header, first)) = self.next_header()? else { return Ok(None) };
        let mut trajectory = Trajectory { header, steps: Vec::new(), end: None };
        let mut bytes = 0;
        loop {
            let read = self.read()?;
            bytes += self.text.len();
            let ended = trajectory.end.is_some();
            match read {
                Read::Line(Line::Call(_)) if bytes > TRAJECTORY_BYTES_MAX => {
                    let message =
                        format!("makes the trajectory of line {first} longer than {TRAJECTORY_BYTES_MAX} bytes");
                    return Err(self.lose(message));
                }
                Read::Line(Line::Call(step)) if !ended => trajectory.steps.push(step),
                Read::Line(Line::End(end)) if !ended => trajectory.end = Some(end),
                Read::Broken(message) if !ended => return Err(self.lose(message)),
                // The trajectory is whole, whatever this is.
                next => {
                    self.ahead = Some(next);
                    return Ok(Some(Found { line: first, trajectory }));
                }
            }
        }
    }

    /// The header that the next trajectory begins with, and its line.
    fn next_header(&mut self) -> Result<Option<(Header, usize)>, TrajectoryError> {
        loop {
            let read = match self.ahead.take() {
                Some(ahead) => ahead,
                None => self.read()?,
            };
            let message = match read {
                Read::Nothing => return Ok(None),
                Read::Line(Line::Episode(header)) => match supported(header) {
                    Ok(header) => {
                        self.lost = false;
                        return Ok(Some((header, self.line)));
                    }
                    Err(message) => message,
                },
                // Told already, with the line that broke.
                _ if self.lost => continue,
                Read::Line(_) => "is out of order".to_owned(),
                Read::Broken(message) => message,
            };
            return Err(self.lose(message));
        }
    }

    fn lose(&mut self, message: String) -> TrajectoryError {
        self.lost = true;
        TrajectoryError::Line { line: self.line, message }
    }

    fn read(&mut self) -> io::Result<Read> {
        self.text.clear();
        let limit = (LINE_BYTES_MAX + 1) as u64;
        if io::Read::take(&mut self.reader, limit).read_until(b'\n', &mut self.text)? == 0 {
            return Ok(Read::Nothing);
        }
        self.line += 1;
        if self.text.len() > LINE_BYTES_MAX {
            if self.text.last() != Some(&b'\n') {
                self.reader.skip_until(b'\n')?;
            }
            return Ok(Read::Broken(format!("is longer than {LINE_BYTES_MAX} bytes")));
        }
        Ok(match serde_json::from_slice(&self.text) {
            Ok(line) => Read::Line(line),
            Err(err) => Read::Broken(err.to_string()),
        })
    }
}

impl<R: BufRead> Iterator for Trajectories<R> {
    type Item = Result<Found, TrajectoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_found().transpose();
        self.ended = matches!(next, None | Some(Err(TrajectoryError::Io(_))));
        next
    }
}

impl Trajectory {
    /// Reads a file that holds one trajectory.
    ///
    /// # Errors
    /// The file can't be read, holds none or several, or a line isn't what it should be; a last line that breaks off is
    /// reported, not guessed at.
    pub fn read(reader: impl BufRead) -> Result<Self, TrajectoryError> {
        let mut trajectories = Trajectories::new(reader);
        let first = trajectories.next().transpose()?;
        let first = first.ok_or_else(|| TrajectoryError::Line { line: 1, message: "the file is empty".to_owned() })?;
        match trajectories.next().transpose()? {
            None => Ok(first.trajectory),
            Some(second) => Err(TrajectoryError::Line {
                line: second.line,
                message: "begins a second trajectory, where one was expected".to_owned(),
            }),
        }
    }
}

fn supported(header: Header) -> Result<Header, String> {
    if header.format != FORMAT {
        return Err(format!("the format is {:?}, not {FORMAT:?}", header.format));
    }
    if header.version != VERSION {
        return Err(format!("version {} is not supported; this program reads version {VERSION}", header.version));
    }
    Ok(header)
}
