// Static arrays of X.cu lie in the section .kfac_shared.X, which the program's own section table names.
#include "shared_memory.h"

#include "host_block.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unordered_map>

extern "C" const char __ehdr_start;  // by the linker: where the program's header lies in memory

namespace kfac_host {

namespace {

struct Range {
    char* start;
    size_t bytes;
};

// Sections by their name behind .kfac_shared.
std::unordered_map<std::string, Range> read_sections() {
    std::unordered_map<std::string, Range> result;
    const int file = open("/proc/self/exe", O_RDONLY);
    struct stat status = {};
    fstat(file, &status);
    void* memory = mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    if (memory == MAP_FAILED) {
        fail("cannot read the program's section table");
    }

    const char* image = static_cast<const char*>(memory);
    const auto* header = reinterpret_cast<const Elf64_Ehdr*>(image);
    const auto* sections = reinterpret_cast<const Elf64_Shdr*>(image + header->e_shoff);
    const char* names = image + sections[header->e_shstrndx].sh_offset;
    for (int i = 0; i < header->e_shnum; i++) {
        static const char prefix[] = ".kfac_shared.";
        const char* name = names + sections[i].sh_name;
        if (strncmp(name, prefix, sizeof prefix - 1) == 0) {
            // The program is position-independent: addresses in its file count from its header.
            char* start = const_cast<char*>(&__ehdr_start) + sections[i].sh_addr;
            result[name + sizeof prefix - 1] = {start, sections[i].sh_size};
        }
    }

    munmap(memory, static_cast<size_t>(status.st_size));
    return result;
}

// Neither memset nor a loop that becomes one: AddressSanitizer would object to the red zones between the arrays.
void fill(const Range& range) {
    volatile char* byte = range.start;
    volatile char* end = range.start + range.bytes;
    for (; byte < end && reinterpret_cast<size_t>(byte) % 8 != 0; byte++) {
        *byte = -1;
    }

    for (; end - byte >= 8; byte += 8) {
        *reinterpret_cast<volatile long long*>(byte) = -1;
    }

    for (; byte < end; byte++) {
        *byte = -1;
    }
}

Range dynamic;

}  // namespace

void poison_shared_memory(const char* source_file, int dynamic_bytes) {
    static const std::unordered_map<std::string, Range> sections = read_sections();
    static const char* last_file = nullptr;
    static Range last = {};
    if (source_file != last_file) {
        const char* base = strrchr(source_file, '/') == nullptr ? source_file : strrchr(source_file, '/') + 1;
        const auto found = sections.find(std::string(base, strlen(base) - strlen(".cu")));
        last = found == sections.end() ? Range{} : found->second;
        last_file = source_file;
    }

    fill(last);
    if (dynamic.bytes != static_cast<size_t>(dynamic_bytes)) {
        free(dynamic.start);
        dynamic = {nullptr, static_cast<size_t>(dynamic_bytes)};
        if (dynamic_bytes > 0 && posix_memalign(reinterpret_cast<void**>(&dynamic.start), 1024, dynamic.bytes) != 0) {
            fail("no memory for %d bytes of shared memory", dynamic_bytes);
        }
    }

    if (dynamic.bytes > 0) {
        memset(dynamic.start, 0xff, dynamic.bytes);
    }
}

void* dynamic_shared() { return dynamic.start; }

}  // namespace kfac_host
