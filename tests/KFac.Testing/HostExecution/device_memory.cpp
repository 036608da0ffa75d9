#include "device_memory.h"

#include "host_block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

namespace kfac_host {

void* DeviceMemory::allocate(long long bytes) {
    char* address = nullptr;
    if (posix_memalign(reinterpret_cast<void**>(&address), 256, static_cast<size_t>(bytes)) == 0) {
        memset(address, 0xff, static_cast<size_t>(bytes));
        blocks_[address] = bytes;
        total_ += bytes;
    }

    return address;
}

void DeviceMemory::free(void* address) {
    const auto block = blocks_.find(static_cast<char*>(address));
    if (block == blocks_.end()) {
        fail("free of %p, which is no allocation", address);
    }

    total_ -= block->second;
    blocks_.erase(block);
    ::free(address);
}

void DeviceMemory::check(const void* address, long long bytes) const {
    const char* start = static_cast<const char*>(address);
    auto block = blocks_.upper_bound(const_cast<char*>(start));
    if (block == blocks_.begin() || start + bytes > (--block)->first + block->second) {
        fail("a copy of %lld bytes at %p is not inside one allocation", bytes, address);
    }
}

void DeviceMemory::save(std::vector<char>& copy) const {
    copy.resize(static_cast<size_t>(total_));
    char* to = copy.data();
    for (const auto& [address, bytes] : blocks_) {
        memcpy(to, address, static_cast<size_t>(bytes));
        to += bytes;
    }
}

void DeviceMemory::restore(const std::vector<char>& copy) const {
    const char* from = copy.data();
    for (const auto& [address, bytes] : blocks_) {
        memcpy(address, from, static_cast<size_t>(bytes));
        from += bytes;
    }
}

const char* DeviceMemory::difference(const std::vector<char>& copy) const {
    static char text[160];
    const char* from = copy.data();
    for (const auto& [address, bytes] : blocks_) {
        if (memcmp(address, from, static_cast<size_t>(bytes)) != 0) {
            long long byte = 0;
            while (address[byte] == from[byte]) {
                byte++;
            }

            snprintf(text, sizeof text, "byte %lld of the allocation of %lld bytes at %p", byte, bytes, static_cast<void*>(address));
            return text;
        }

        from += bytes;
    }

    return "";
}

}  // namespace kfac_host
