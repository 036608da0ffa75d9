// The device's global memory: each allocation a block of its own, watched at both ends by AddressSanitizer.
#pragma once

#include <map>
#include <vector>

namespace kfac_host {

class DeviceMemory {
public:
    // Starts at a 256-byte boundary, filled with ones (a NaN). Null when there is no room.
    void* allocate(long long bytes);

    void free(void* address);

    // Throws an error that names the range unless it lies inside one allocation.
    void check(const void* address, long long bytes) const;

    long long total_bytes() const { return total_; }

    // Keeps what all allocations hold, to be restored or compared.
    void save(std::vector<char>& copy) const;
    void restore(const std::vector<char>& copy) const;

    // Where memory differs from the copy, in words; empty where it does not.
    const char* difference(const std::vector<char>& copy) const;

private:
    std::map<char*, long long> blocks_;
    long long total_ = 0;
};

}  // namespace kfac_host
