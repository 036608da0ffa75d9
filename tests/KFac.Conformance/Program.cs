using System.Diagnostics;
using System.Reflection;
using KFac.Kernels;
using KFac.Testing;
using Xunit;
using Xunit.Sdk;

namespace KFac.Conformance;

/// <summary>Runs the conformance suite on one device key without a test host: for machines that have no SDK.</summary>
/// <remarks>Usage: <c>kfac-conformance KEY [FILTER]</c>. Runs the theories of kernels and networks whose first argument is the key.
/// Prints a line for each that fails or is skipped, and at last <c>N passed, N failed, N skipped</c>; exit code 0 when some
/// passed and none failed, 1 when one failed, 2 when the key cannot be used.</remarks>
internal static class Program
{
    private static readonly string[] _suites = ["KFac.Kernels.Tests", "KFac.Nn.Tests"];

    private enum Outcome
    {
        Passed,
        Failed,
        Skipped,
    }

    private static int Main(string[] arguments)
    {
        if (arguments is not [string key, ..] || !TestDevice.Keys.Contains(key))
        {
            Console.Error.WriteLine($"usage: kfac-conformance KEY [FILTER], with KEY one of {string.Join(", ", TestDevice.Keys)}");
            foreach (DeviceInfo device in Device.Enumerate().Where(static device => !device.IsAvailable))
            {
                Console.Error.WriteLine($"{device.Name} cannot be used: {device.Reason}");
            }

            return 2;
        }

        string filter = arguments.Length > 1 ? arguments[1] : string.Empty;
        var counts = new int[3];
        foreach ((MethodInfo test, object?[] row) in Tests(key).Where(each => Name(each.Test).Contains(filter, StringComparison.Ordinal)))
        {
            counts[(int)Run(test, row)]++;
        }

        Console.WriteLine($"{counts[0]} passed, {counts[1]} failed, {counts[2]} skipped");
        return counts[0] > 0 && counts[1] == 0 ? 0 : 1;
    }

    private static IEnumerable<(MethodInfo Test, object?[] Row)> Tests(string key) =>
        from suite in _suites
        from type in Assembly.Load(suite).GetExportedTypes()
        where !type.IsAbstract
        orderby type.FullName
        from test in type.GetMethods(BindingFlags.Public | BindingFlags.Instance)
        where test.GetCustomAttribute<TheoryAttribute>() is { Skip: null }
        from data in test.GetCustomAttributes<DataAttribute>()
        from row in data.GetData(test)
        where row is [string first, ..] && first == key
        select (test, row);

    private static Outcome Run(MethodInfo test, object?[] row)
    {
        long start = Stopwatch.GetTimestamp();
        object? instance = null;
        try
        {
            instance = Activator.CreateInstance(test.DeclaringType!);
            (test.Invoke(instance, row) as Task)?.GetAwaiter().GetResult();
            return Outcome.Passed;
        }
        catch (TargetInvocationException thrown) when (thrown.InnerException is Xunit.SkipException or KernelMissingException)
        {
            Report("skipped", test, row, start, thrown.InnerException.Message);
            return Outcome.Skipped;
        }
        catch (TargetInvocationException thrown)
        {
            Report("FAILED", test, row, start, $"{thrown.InnerException}");
            return Outcome.Failed;
        }
        finally
        {
            (instance as IDisposable)?.Dispose();
        }
    }

    private static void Report(string outcome, MethodInfo test, object?[] row, long start, string message) =>
        Console.WriteLine($"{outcome} {Name(test)}({string.Join(", ", row)}) after {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s: {message}");

    private static string Name(MethodInfo test) => $"{test.DeclaringType!.Name}.{test.Name}";
}
