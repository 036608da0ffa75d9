// Barriers in shared memory and bulk copies, as the threads' scheduler sees them.
#pragma once

namespace kfac_host {

// Performs one copy that ends at a barrier at which threads wait; false where there is none.
bool bring_bulk_copies();

// Fails while copies are under way.
void end_block_barriers();

// What the running phase still wants.
const char* describe_barrier(const void* barrier);

}  // namespace kfac_host
