/** ELF64 (System V ABI, elf(5)): the numbers and offsets that loading a program needs. */
export const EI_CLASS = 4;
export const EI_DATA = 5;
export const EI_VERSION = 6;
export const ELFCLASS64 = 2;
export const ELFDATA2LSB = 1;
export const EV_CURRENT = 1;

export const ET_EXEC = 2;
export const ET_DYN = 3;
export const EM_X86_64 = 62;

export const PT_LOAD = 1;
export const PT_DYNAMIC = 2;
export const PT_INTERP = 3;
export const PT_PHDR = 6;
export const PT_GNU_STACK = 0x6474e551;
export const PT_GNU_PROPERTY = 0x6474e553;

export const PF_X = 1;
export const PF_W = 2;
export const PF_R = 4;

/** sizeof(Elf64_Ehdr), sizeof(Elf64_Phdr) */
export const ELF64_EHDR_SIZE = 64;
export const ELF64_PHDR_SIZE = 56;

/** Offsets in Elf64_Ehdr. */
export const EH_TYPE = 16; // u16
export const EH_MACHINE = 18; // u16
export const EH_VERSION = 20; // u32
export const EH_ENTRY = 24; // u64
export const EH_PHOFF = 32; // u64
export const EH_EHSIZE = 52; // u16
export const EH_PHENTSIZE = 54; // u16
export const EH_PHNUM = 56; // u16

/** Offsets in Elf64_Phdr. */
export const PH_TYPE = 0; // u32
export const PH_FLAGS = 4; // u32
export const PH_OFFSET = 8; // u64
export const PH_VADDR = 16; // u64
export const PH_PADDR = 24; // u64
export const PH_FILESZ = 32; // u64
export const PH_MEMSZ = 40; // u64
export const PH_ALIGN = 48; // u64

export const DT_NULL = 0;
export const DT_HASH = 4;
export const DT_STRTAB = 5;
export const DT_SYMTAB = 6;
