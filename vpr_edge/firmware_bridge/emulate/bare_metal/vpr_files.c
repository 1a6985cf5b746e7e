/* Files on the host and the program's end. */
#include "vpr_device.h"
#include "vpr_internal.h"
#include "vpr_semihosting.h"

/* What vpr_exit leaves in the file vpr.report. */
struct report {
    int32_t status;
    uint32_t stack_bytes;
};

static struct {
    const char *name;
    uint32_t handle;
} streams[VPR_FILES];

static uint32_t length(const char *text)
{
    uint32_t count = 0;
    while (text[count] != '\0') {
        ++count;
    }
    return count;
}

static int same(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        ++a;
        ++b;
    }
    return *a == *b;
}

/* The handle of a file that stays open; 0 where it cannot be opened, for handles start at 1. */
static uint32_t opened(const char *name, uint32_t mode)
{
    uint32_t i = 0;
    while (i < VPR_FILES && streams[i].name != NULL) {
        if (same(streams[i].name, name)) {
            return streams[i].handle;
        }
        ++i;
    }
    const uint32_t open[3] = {(uint32_t)(uintptr_t)name, mode, length(name)};
    const uint32_t handle = i < VPR_FILES ? vpr_semihost(VPR_SYS_OPEN, open) : UINT32_MAX;
    if (handle == UINT32_MAX) {
        return 0;
    }
    streams[i].name = name;
    streams[i].handle = handle;
    return handle;
}

size_t vpr_read(const char *name, void *to, size_t count)
{
    const uint32_t handle = opened(name, VPR_OPEN_READ);
    if (handle == 0) {
        return 0;
    }
    const uint32_t read[3] = {handle, (uint32_t)(uintptr_t)to, (uint32_t)count};
    return count - vpr_semihost(VPR_SYS_READ, read);
}

void vpr_write(const char *name, const void *from, size_t count)
{
    const uint32_t handle = opened(name, VPR_OPEN_WRITE);
    const uint32_t write[3] = {handle, (uint32_t)(uintptr_t)from, (uint32_t)count};
    if (handle == 0 || vpr_semihost(VPR_SYS_WRITE, write) != 0) {
        vpr_stop();
    }
}

void vpr_stop(void)
{
    const uint32_t arguments[2] = {VPR_APPLICATION_EXIT, 0};
    for (;;) {
        (void)vpr_semihost(VPR_SYS_EXIT_EXTENDED, arguments);
    }
}

void vpr_exit(int32_t status)
{
    if (vpr_stack_peak == 0) {
        vpr_stack_end();
    }
    vpr_mark_flush();
    const struct report report = {status, vpr_stack_peak};
    vpr_write("vpr.report", &report, sizeof report);
    vpr_stop();
}
