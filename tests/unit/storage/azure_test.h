/* What the tests of the driver for Azure share. */
#ifndef STORAGE_AZURE_TEST_H
#define STORAGE_AZURE_TEST_H

#include "scripted.h"

#include "storage/azure/driver.h"

#define EMULATOR_KEY                                                                                         \
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

#endif
