using Xunit;

// The stand-in driver is one for the process, and its calls are counted.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
