// Runs the blocks of a launch one after another, the threads of each as fibers.
#pragma once

#include "host_block.h"

namespace kfac_host {

struct Launch {
    const Kernel* kernel;
    const void* arguments;
    Index3 grid;
    Index3 block;
    int shared_bytes;
    unsigned long long seed;
    // Takes every choice of order the other way round.
    bool reversed;
};

// All kernels of the program, linked by `next`.
const Kernel* kernels();

// Returns when all blocks have run. Errors end the process; see fail.
void run(const Launch& launch);

// The thread that runs waits until something wakes those that wait for `key`.
void park(const void* key, const char* operation, const char* file, int line);
void wake(const void* key);
bool is_waited_for(const void* key);

// The last part of a path.
const char* file_name(const char* path);

// Answers with the error and ends the process (harness.cpp).
[[noreturn]] void fail_with(const char* text);

// Kernel, block and thread that run now, for messages; empty between launches.
const char* where();

}  // namespace kfac_host
