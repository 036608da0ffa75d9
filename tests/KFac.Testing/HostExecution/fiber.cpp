// On x86-64 a switch is six pushes and pops, 5 ns beside swapcontext's 300, which asks the kernel for the signal mask.
#include "fiber.h"

#include <pthread.h>
#include <sanitizer/common_interface_defs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

namespace kfac_host {

static constexpr size_t stack_bytes = 256 * 1024;
static constexpr size_t guard_bytes = 4096;

#if defined(__x86_64__)
extern "C" void kfac_host_switch(void** from, void* to);
asm(R"(
    .text
    .globl kfac_host_switch
    .type kfac_host_switch, @function
kfac_host_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size kfac_host_switch, .-kfac_host_switch
)");
#endif

void Fiber::adopt() {
    pthread_attr_t attributes;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &bottom_, &bytes_);
    pthread_attr_destroy(&attributes);
}

void Fiber::start(void (*body)(), unsigned number) {
    void* memory = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, guard_bytes, PROT_NONE) != 0) {
        fputs("no memory for the stacks of a block's threads\n", stderr);
        abort();
    }

    bottom_ = memory;
    // Tops at different distances from the end, lest all stacks want the same lines of the cache.
    bytes_ = stack_bytes - number % 32 * 192;
#if defined(__x86_64__)
    void** top = reinterpret_cast<void**>(static_cast<char*>(memory) + bytes_);
    *--top = nullptr;  // where body would return to; keeps the stack aligned as behind a call
    *--top = reinterpret_cast<void*>(body);
    for (int saved = 0; saved < 6; saved++) {
        *--top = nullptr;
    }

    stack_pointer_ = top;
#else
    getcontext(&context_);
    context_.uc_stack.ss_sp = bottom_;
    context_.uc_stack.ss_size = bytes_;
    makecontext(&context_, body, 0);
#endif
}

void Fiber::change(Fiber& from, Fiber& to) {
    __sanitizer_start_switch_fiber(&from.fake_stack_, to.bottom_, to.bytes_);
#if defined(__x86_64__)
    kfac_host_switch(&from.stack_pointer_, to.stack_pointer_);
#else
    swapcontext(&from.context_, &to.context_);
#endif
    from.arrived();
}

void Fiber::arrived() { __sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr); }

}  // namespace kfac_host
