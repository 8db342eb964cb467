//! Unified kernel images: kernel, initrd and command line in one EFI program, by the UAPI group's
//! "Unified Kernel Image" specification, with systemd-stub as the program.
//!
//! The output is a function of the input alone: the same parts give the same bytes.

use object::LittleEndian as LE;
use object::pe::{
    IMAGE_SCN_CNT_INITIALIZED_DATA, IMAGE_SCN_MEM_READ, ImageNtHeaders64, ImageSectionHeader,
};
use object::pod::bytes_of;
use object::read::pe::PeFile64;
use orlop_config::{Digest, DigestError, RootDigest};

/// Room for one section header in the file.
const SECTION_HEADER_LEN: usize = size_of::<ImageSectionHeader>();

/// The word of the command line that holds the root file system's digest.
const ROOT_WORD: &str = "orlop.root=";

/// What a UKI is put together from.
#[derive(Clone, Copy, Debug)]
pub struct UkiParts<'a> {
    /// systemd-stub, `linuxx64.efi.stub`.
    pub stub: &'a [u8],
    /// The kernel, a bzImage with an EFI stub.
    pub kernel: &'a [u8],
    /// The initrd: cpio archives, compressed or not.
    pub initrd: &'a [u8],
    /// The kernel's command line, in ASCII.
    pub cmdline: &'a str,
    /// The image's os-release file.
    pub os_release: &'a str,
    /// The kernel's release, as `uname -r` says.
    pub uname: &'a str,
}

/// A UKI that cannot be written or read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UkiError {
    /// The stub, or the UKI, is not an EFI program.
    #[error("cannot read {what} as an EFI program: {why}")]
    NotPe {
        /// `the stub`, `the UKI`.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The stub has no space for the section headers that a UKI needs.
    #[error("cannot add {wanted} sections to the stub: its headers have room for {room} more")]
    NoHeaderRoom {
        /// How many are needed.
        wanted: usize,
        /// How many fit.
        room: usize,
    },
    /// The stub is a UKI already, or the section is there for another reason.
    #[error("cannot add section {name} to the stub: it has one")]
    SectionExists {
        /// The section.
        name: &'static str,
    },
    /// A PE file cannot be larger than 4 GiB.
    #[error("cannot place section {name}: the UKI would be larger than a PE file can be")]
    TooLarge {
        /// The section that does not fit.
        name: &'static str,
    },
    /// A part that must hold something is empty.
    #[error("cannot assemble a UKI with an empty section {name}")]
    EmptySection {
        /// The section.
        name: &'static str,
    },
    /// systemd-stub takes the section as ASCII; other characters would be changed on the way.
    #[error(
        "cannot use the kernel command line {cmdline:?}: it must be one line of printable ASCII"
    )]
    Cmdline {
        /// What was given.
        cmdline: String,
    },
    /// The UKI lacks a section.
    #[error("cannot find section {name} in the UKI")]
    NoSection {
        /// The section.
        name: String,
    },
    /// The section holds no text.
    #[error("cannot read section {name} of the UKI as text")]
    NotText {
        /// The section.
        name: String,
    },
    /// The command line does not say which root file system it is for.
    #[error("cannot tell the UKI's root file system: its command line has no `{ROOT_WORD}`")]
    NoRoot,
    /// The command line says it in a way that is none.
    #[error("cannot tell the UKI's root file system: {0}")]
    BadRoot(#[from] DigestError),
}

/// Puts a UKI together.
///
/// # Errors
/// If the stub is no EFI program or has no room, a part is empty, or the whole is over 4 GiB.
pub fn assemble(parts: &UkiParts<'_>) -> Result<Vec<u8>, UkiError> {
    if !parts
        .cmdline
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~'))
    {
        return Err(UkiError::Cmdline {
            cmdline: parts.cmdline.to_owned(),
        });
    }
    let mut layout = Layout::of_stub(parts.stub)?;
    let sections = [
        (".osrel", parts.os_release.as_bytes()),
        (".cmdline", parts.cmdline.as_bytes()),
        (".uname", parts.uname.as_bytes()),
        (".linux", parts.kernel),
        (".initrd", parts.initrd),
    ];
    layout.check_room(&sections)?;
    for (name, data) in sections {
        layout.append(name, data)?;
    }
    Ok(layout.finish())
}

/// The content of a section of a UKI, without padding.
///
/// # Errors
/// If `uki` is no EFI program, is cut off, or has no such section.
pub fn read_section<'a>(uki: &'a [u8], name: &str) -> Result<&'a [u8], UkiError> {
    let pe = parse(uki, "the UKI")?;
    let section = pe
        .section_table()
        .iter()
        .find(|section| section.raw_name() == name.as_bytes())
        .ok_or_else(|| UkiError::NoSection {
            name: name.to_owned(),
        })?;
    section
        .pe_data(uki)
        .map_err(|error| not_pe("the UKI", error))
}

/// The command line in a UKI.
///
/// # Errors
/// If there is none, or it is not text.
pub fn cmdline(uki: &[u8]) -> Result<&str, UkiError> {
    let text =
        std::str::from_utf8(read_section(uki, ".cmdline")?).map_err(|_utf8| UkiError::NotText {
            name: ".cmdline".to_owned(),
        })?;
    // Tools other than ours end the section with a NUL or a newline.
    Ok(text.trim_end_matches(['\0', '\n']))
}

/// The root file system that the UKI's command line names; the last `orlop.root=` counts, as for
/// the initrd.
///
/// # Errors
/// If the command line is missing or names none.
pub fn root_digest(uki: &[u8]) -> Result<RootDigest, UkiError> {
    let word = cmdline(uki)?
        .split_ascii_whitespace()
        .rev()
        .find_map(|word| word.strip_prefix(ROOT_WORD))
        .ok_or(UkiError::NoRoot)?;
    Ok(word.parse()?)
}

/// The digest that tells whether a reboot is needed between two OS images: over the kernel, the
/// initrd and the command line without the root's digest (docs/design/loop.md).
pub fn boot_digest(kernel: &[u8], initrd: &[u8], cmdline: &str) -> Digest {
    let words: Vec<&str> = cmdline
        .split_ascii_whitespace()
        .filter(|word| !word.starts_with(ROOT_WORD))
        .collect();
    let text = format!(
        "{}\n{}\n{}\n",
        Digest::of(kernel).hex(),
        Digest::of(initrd).hex(),
        words.join(" ")
    );
    Digest::of(text.as_bytes())
}

/// [`boot_digest`] of what a UKI holds.
///
/// # Errors
/// If a section is missing.
pub fn boot_digest_of(uki: &[u8]) -> Result<Digest, UkiError> {
    let (kernel, initrd) = (read_section(uki, ".linux")?, read_section(uki, ".initrd")?);
    Ok(boot_digest(kernel, initrd, cmdline(uki)?))
}

fn parse<'a>(data: &'a [u8], what: &'static str) -> Result<PeFile64<'a>, UkiError> {
    PeFile64::parse(data).map_err(|error| not_pe(what, error))
}

fn not_pe(what: &'static str, error: object::read::Error) -> UkiError {
    UkiError::NotPe {
        what,
        why: error.to_string(),
    }
}

/// The stub with sections being appended behind its own.
struct Layout {
    file: Vec<u8>,
    headers: ImageNtHeaders64,
    headers_at: usize,
    /// Where the next section header goes.
    table_end: usize,
    /// Where the headers must end at the latest.
    headers_end: usize,
    names: Vec<Vec<u8>>,
    /// The first address that no section has.
    next_address: u64,
}

impl Layout {
    fn of_stub(stub: &[u8]) -> Result<Self, UkiError> {
        let pe = parse(stub, "the stub")?;
        let headers = *pe.nt_headers();
        let optional = &headers.optional_header;
        let (file_alignment, section_alignment) = (
            optional.file_alignment.get(LE),
            optional.section_alignment.get(LE),
        );
        if !file_alignment.is_power_of_two() || !section_alignment.is_power_of_two() {
            let why = "its sections are not aligned to a power of two".to_owned();
            return Err(UkiError::NotPe {
                what: "the stub",
                why,
            });
        }
        let headers_at = pe.dos_header().nt_headers_offset() as usize;
        // Signature and file header are 24 bytes, then the optional header of the given size.
        let table =
            headers_at + 24 + usize::from(headers.file_header.size_of_optional_header.get(LE));
        let sections = pe.section_table();
        let first_data = sections
            .iter()
            .map(|s| s.pointer_to_raw_data.get(LE))
            .filter(|&at| at != 0);
        let headers_end = first_data
            .chain([optional.size_of_headers.get(LE)])
            .min()
            .unwrap_or(0) as usize;
        let ends = sections
            .iter()
            .map(|s| u64::from(s.virtual_address.get(LE)) + u64::from(s.virtual_size.get(LE)));
        Ok(Self {
            headers_at,
            table_end: table + sections.len() * SECTION_HEADER_LEN,
            headers_end: headers_end.min(stub.len()),
            names: sections.iter().map(|s| s.raw_name().to_vec()).collect(),
            next_address: ends.max().unwrap_or(0),
            headers,
            file: stub.to_vec(),
        })
    }

    fn check_room(&self, sections: &[(&'static str, &[u8])]) -> Result<(), UkiError> {
        let room = self.headers_end.saturating_sub(self.table_end) / SECTION_HEADER_LEN;
        if room < sections.len() {
            return Err(UkiError::NoHeaderRoom {
                wanted: sections.len(),
                room,
            });
        }
        for &(name, data) in sections {
            if self.names.iter().any(|taken| taken == name.as_bytes()) {
                return Err(UkiError::SectionExists { name });
            }
            if data.is_empty() {
                return Err(UkiError::EmptySection { name });
            }
        }
        Ok(())
    }

    fn append(&mut self, name: &'static str, data: &[u8]) -> Result<(), UkiError> {
        let too_large = |_too_large| UkiError::TooLarge { name };
        let optional = &self.headers.optional_header;
        let file_alignment = optional.file_alignment.get(LE) as usize;
        let section_alignment = u64::from(optional.section_alignment.get(LE));
        let address = self.next_address.next_multiple_of(section_alignment);
        let end = address + data.len() as u64;
        let image_size =
            u32::try_from(end.next_multiple_of(section_alignment)).map_err(too_large)?;
        self.file
            .resize(self.file.len().next_multiple_of(file_alignment), 0);
        let start = self.file.len();
        self.file.extend_from_slice(data);
        self.file
            .resize(self.file.len().next_multiple_of(file_alignment), 0);

        let mut header = ImageSectionHeader::default();
        header.name[..name.len()].copy_from_slice(name.as_bytes());
        header
            .virtual_size
            .set(LE, u32::try_from(data.len()).map_err(too_large)?);
        header
            .virtual_address
            .set(LE, u32::try_from(address).map_err(too_large)?);
        let raw_size = u32::try_from(self.file.len() - start).map_err(too_large)?;
        header.size_of_raw_data.set(LE, raw_size);
        header
            .pointer_to_raw_data
            .set(LE, u32::try_from(start).map_err(too_large)?);
        header
            .characteristics
            .set(LE, IMAGE_SCN_CNT_INITIALIZED_DATA | IMAGE_SCN_MEM_READ);
        self.file[self.table_end..self.table_end + SECTION_HEADER_LEN]
            .copy_from_slice(bytes_of(&header));

        self.table_end += SECTION_HEADER_LEN;
        self.next_address = end;
        let optional = &mut self.headers.optional_header;
        optional.size_of_image.set(LE, image_size);
        let data_size = optional.size_of_initialized_data.get(LE);
        optional
            .size_of_initialized_data
            .set(LE, data_size.saturating_add(raw_size));
        let count = &mut self.headers.file_header.number_of_sections;
        count.set(LE, count.get(LE) + 1);
        Ok(())
    }

    fn finish(mut self) -> Vec<u8> {
        // Nobody checks it for EFI programs; zero says that there is none.
        self.headers.optional_header.check_sum.set(LE, 0);
        let headers = bytes_of(&self.headers);
        self.file[self.headers_at..self.headers_at + headers.len()].copy_from_slice(headers);
        self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::pe::{IMAGE_DOS_SIGNATURE, IMAGE_NT_SIGNATURE, ImageDosHeader, Machine};
    use proptest::prelude::*;

    const ALIGN: usize = 0x200;

    /// The smallest EFI program that has the shape of systemd-stub: one section of code, headers
    /// with the given space for more.
    fn stub(header_room: usize) -> Vec<u8> {
        let mut dos: ImageDosHeader = *object::pod::from_bytes(&[0; 64]).unwrap().0;
        dos.e_magic.set(LE, IMAGE_DOS_SIGNATURE);
        dos.e_lfanew.set(LE, 64);
        let mut nt: ImageNtHeaders64 =
            *object::pod::from_bytes(&[0; size_of::<ImageNtHeaders64>()])
                .unwrap()
                .0;
        nt.signature.set(LE, IMAGE_NT_SIGNATURE);
        nt.file_header.machine.set(LE, Machine(0x8664));
        nt.file_header.number_of_sections.set(LE, 1);
        nt.file_header.size_of_optional_header.set(LE, 112);
        nt.optional_header.magic.set(LE, 0x20b);
        nt.optional_header.section_alignment.set(LE, 0x1000);
        nt.optional_header.file_alignment.set(LE, ALIGN as u32);
        let used = 64 + size_of::<ImageNtHeaders64>() + SECTION_HEADER_LEN;
        let headers_len = (used + header_room * SECTION_HEADER_LEN).next_multiple_of(ALIGN);
        // What rounding up adds is taken by the section's data, so that the room is exact.
        let data_at = used + header_room * SECTION_HEADER_LEN;
        nt.optional_header
            .size_of_headers
            .set(LE, headers_len as u32);
        let mut text = ImageSectionHeader::default();
        text.name[..5].copy_from_slice(b".text");
        text.virtual_size.set(LE, 5);
        text.virtual_address.set(LE, 0x1000);
        text.size_of_raw_data.set(LE, ALIGN as u32);
        text.pointer_to_raw_data.set(LE, data_at as u32);
        let mut file = [bytes_of(&dos), bytes_of(&nt), bytes_of(&text)].concat();
        file.resize(data_at, 0);
        file.extend_from_slice(&[0xcc; ALIGN]);
        file
    }

    fn parts<'a>(stub: &'a [u8], kernel: &'a [u8], initrd: &'a [u8]) -> UkiParts<'a> {
        UkiParts {
            stub,
            kernel,
            initrd,
            cmdline: "console=ttyS0 orlop.root=abababababababababababababababababababababababababababababababab",
            os_release: "ID=orlop\n",
            uname: "6.12.0",
        }
    }

    proptest! {
        #[test]
        fn every_section_is_read_back_aligned_and_apart(
            kernel in prop::collection::vec(any::<u8>(), 1..9000),
            initrd in prop::collection::vec(any::<u8>(), 1..9000),
        ) {
            let stub = stub(5);
            let parts = parts(&stub, &kernel, &initrd);
            let uki = assemble(&parts).unwrap();
            prop_assert_eq!(read_section(&uki, ".linux").unwrap(), &kernel);
            prop_assert_eq!(read_section(&uki, ".initrd").unwrap(), &initrd);
            prop_assert_eq!(read_section(&uki, ".uname").unwrap(), b"6.12.0");
            prop_assert_eq!(read_section(&uki, ".osrel").unwrap(), b"ID=orlop\n");
            prop_assert_eq!(cmdline(&uki).unwrap(), parts.cmdline);

            let pe = PeFile64::parse(&*uki).unwrap();
            let mut end = 0;
            for section in pe.section_table().iter() {
                let (address, at) = (section.virtual_address.get(LE), section.pointer_to_raw_data.get(LE));
                prop_assert!(address >= end && address % 0x1000 == 0);
                prop_assert!(section.raw_name() == b".text" || at % ALIGN as u32 == 0);
                end = address + section.virtual_size.get(LE);
            }
            let image_size = pe.nt_headers().optional_header.size_of_image.get(LE);
            prop_assert_eq!(image_size, end.next_multiple_of(0x1000));
            prop_assert_eq!(uki.len() % ALIGN, 0);
        }

        #[test]
        fn any_cut_of_a_uki_is_an_error_or_the_whole_section(at in 0_usize..4000) {
            let stub = stub(5);
            let uki = assemble(&parts(&stub, b"kernel", b"initrd")).unwrap();
            let cut = &uki[..at.min(uki.len())];
            if let Ok(section) = read_section(cut, ".initrd") {
                prop_assert_eq!(section, b"initrd");
            }
        }
    }

    #[test]
    fn the_same_parts_give_the_same_bytes() {
        let stub = stub(5);
        let parts = parts(&stub, b"kernel", b"initrd");
        let uki = assemble(&parts).unwrap();
        assert_eq!(uki, assemble(&parts).unwrap());
        assert_eq!(Digest::of(&uki).short(), "a5c77d9558ff");
    }

    #[test]
    fn a_stub_without_room_for_the_sections_is_refused() {
        let stub = stub(4);
        assert_eq!(
            assemble(&parts(&stub, b"k", b"i")).unwrap_err().to_string(),
            "cannot add 5 sections to the stub: its headers have room for 4 more"
        );
    }

    #[test]
    fn a_uki_is_no_stub() {
        let stub = stub(12);
        let uki = assemble(&parts(&stub, b"k", b"i")).unwrap();
        let error = assemble(&parts(&uki, b"k", b"i")).unwrap_err();
        assert_eq!(error, UkiError::SectionExists { name: ".osrel" });
    }

    #[test]
    fn what_is_no_program_is_refused() {
        for file in [&b""[..], b"MZ", &[0; 4096]] {
            let error = assemble(&parts(file, b"k", b"i")).unwrap_err();
            assert!(
                error
                    .to_string()
                    .starts_with("cannot read the stub as an EFI program: "),
                "{error}"
            );
        }
    }

    #[test]
    fn a_command_line_of_more_than_ascii_is_refused() {
        let stub = stub(5);
        for cmdline in ["a\nb", "h\u{fc}lle", "a\0b"] {
            let parts = UkiParts {
                cmdline,
                ..parts(&stub, b"k", b"i")
            };
            assert_eq!(
                assemble(&parts),
                Err(UkiError::Cmdline {
                    cmdline: cmdline.to_owned()
                })
            );
        }
    }

    #[test]
    fn the_root_is_the_last_one_on_the_command_line() {
        let stub = stub(5);
        let (first, last) = ("0".repeat(64), "1".repeat(64));
        let cmdline = format!("orlop.root={first} quiet orlop.root={last}");
        let uki = assemble(&UkiParts {
            cmdline: &cmdline,
            ..parts(&stub, b"k", b"i")
        })
        .unwrap();
        assert_eq!(root_digest(&uki).unwrap().as_str(), last);
        let uki = assemble(&UkiParts {
            cmdline: "quiet",
            ..parts(&stub, b"k", b"i")
        })
        .unwrap();
        assert_eq!(root_digest(&uki), Err(UkiError::NoRoot));
    }

    #[test]
    fn the_boot_digest_ignores_the_root_and_nothing_else() {
        let base = boot_digest(b"k", b"i", "a b orlop.root=1");
        assert_eq!(boot_digest(b"k", b"i", "a b orlop.root=2"), base);
        assert_ne!(boot_digest(b"k", b"i", "a orlop.root=1"), base);
        assert_ne!(boot_digest(b"K", b"i", "a b orlop.root=1"), base);
        assert_ne!(boot_digest(b"k", b"I", "a b orlop.root=1"), base);
        let stub = stub(5);
        let uki = assemble(&UkiParts {
            cmdline: "a b orlop.root=3",
            ..parts(&stub, b"k", b"i")
        });
        assert_eq!(boot_digest_of(&uki.unwrap()), Ok(base));
    }
}
