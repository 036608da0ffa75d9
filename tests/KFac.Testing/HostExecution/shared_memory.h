// The shared memory of the block that runs. AddressSanitizer watches the ends of each array.
#pragma once

namespace kfac_host {

// Fills the static arrays of a source file and `dynamic_bytes` of dynamic shared memory with ones, a NaN, so that what is read
// before it is written shows.
void poison_shared_memory(const char* source_file, int dynamic_bytes);

}  // namespace kfac_host
