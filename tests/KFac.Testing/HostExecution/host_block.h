// What kernels on the host see of the block they run in: who they are, barriers, exchanges between the lanes of a warp.
// block.cpp is behind it. No standard headers here: a kernel may be called like anything in them.
#pragma once

namespace kfac_host {

struct Index3 {
    unsigned x, y, z;
};

// A copy that is performed when its thread waits for it; see host_async_copy.h.
using Copy = void (*)(void* destination, const void* source, int bytes);

// The part of a thread that kernels read.
struct ThreadView {
    Index3 index;
    unsigned lane;
};

extern ThreadView* current;
extern Index3 block_index, block_size, grid_size;

// What the lanes of a warp hand each other in one operation.
struct Lanes {
    static constexpr int most_words = 10;
    unsigned words[32][most_words];
};

// Ends the launch with an error that names kernel, block and thread.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

// Waits until all threads of the block stand at the same barrier. Returns how many gave a true predicate.
int barrier(const char* operation, bool predicate, const char* file, int line);

// Waits until `threads` threads, a multiple of 32, stand at the barrier with this number, 1 to 15.
void named_barrier(int number, int threads, const char* file, int line);

// Waits until all lanes of the mask have called it with the same operation and mask; returns the words of all of them. `finish`
// runs once, on the lane that comes last, and may change the words.
const Lanes& exchange(
    const char* operation, unsigned mask, const unsigned* words, int count, const char* file, int line, void (*finish)(Lanes&) = nullptr);

// Other threads of the block run; returns when this one is chosen again. For waits on what another thread changes in memory.
void yield(const char* operation, const char* file, int line);

void* dynamic_shared();

void defer_copy(Copy perform, void* destination, const void* source, int bytes);
void commit_copies();
void wait_copies(int groups_left);

// A kernel announces itself before main.
struct Kernel {
    Kernel(const char* file, const char* name, const char* arguments, int argument_bytes, int most_threads, void (*run)(const void*));
    const char* file;
    const char* name;
    const char* arguments;
    int argument_bytes;
    int most_threads;
    void (*run)(const void*);
    const Kernel* next;
};

}  // namespace kfac_host
