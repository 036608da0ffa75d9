using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary>Turns results of driver calls into exceptions.</summary>
internal static unsafe class DriverCall
{
    /// <summary>Throws unless the call succeeded.</summary>
    /// <param name="expression">The call as written; its name goes into the message.</param>
    /// <exception cref="DeviceOutOfMemoryException">The device, or pinned host memory, is exhausted.</exception>
    /// <exception cref="DriverException">Anything else.</exception>
    public static void Check(DriverResult result, [CallerArgumentExpression(nameof(result))] string expression = "")
    {
        if (result != DriverResult.Success)
        {
            throw Failure(result, expression);
        }
    }

    /// <summary>The exception for a failed call, with the driver's name and words for the error.</summary>
    /// <param name="detail">More to say, such as a compiler's log.</param>
    public static Exception Failure(DriverResult result, string expression, string? detail = null)
    {
        string call = Name(expression);
        string error = Driver.cuGetErrorName(result, out byte* name) == DriverResult.Success ? Text(name) : $"error {(int)result}";
        string words = Driver.cuGetErrorString(result, out byte* text) == DriverResult.Success ? Text(text) : "unknown to this driver";
        string message = $"{call} failed with {error} ({words}){(string.IsNullOrEmpty(detail) ? "." : $": {detail}")}";
        return result == DriverResult.OutOfMemory ? new DeviceOutOfMemoryException(message) : new DriverException(call, error, message);
    }

    /// <summary><c>Driver.cuInit(0)</c> is <c>cuInit</c>.</summary>
    private static string Name(string expression)
    {
        int end = expression.IndexOf('(', StringComparison.Ordinal);
        string path = end < 0 ? expression : expression[..end];
        return path[(path.LastIndexOf('.') + 1)..];
    }

    private static string Text(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? string.Empty;
}
