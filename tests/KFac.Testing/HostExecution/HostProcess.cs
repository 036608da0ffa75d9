using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;

namespace KFac.Testing.HostExecution;

/// <summary>A running harness and the two pipes to it; harness.cpp lists the requests.</summary>
/// <remarks>Requests from several threads are kept whole. An error comes with the next answer, after which the process is gone and
/// every request throws the same.</remarks>
internal sealed class HostProcess : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Process _process;
    private readonly Stream _requests;
    private readonly Stream _answers;
    private readonly Task<string> _report;
    private readonly byte[] _head = new byte[512];
    private string? _error;
    private bool _disposed;

    /// <param name="repeatedThreads">Launches of at most this many threads run twice, in opposite orders of threads.</param>
    /// <param name="longestSeconds">How long one launch may take before it counts as one that never ends.</param>
    public HostProcess(string program, long repeatedThreads, int longestSeconds)
    {
        _process = Process.Start(new ProcessStartInfo(program, [$"{repeatedThreads}", $"{longestSeconds}"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        _requests = _process.StandardInput.BaseStream;
        _answers = _process.StandardOutput.BaseStream;
        _report = _process.StandardError.ReadToEndAsync();
    }

    public nint Allocate(long byteLength)
    {
        lock (_gate)
        {
            Span<byte> address = stackalloc byte[sizeof(long)];
            Send(Head('A').Long(byteLength));
            Receive(address);
            return (nint)BinaryPrimitives.ReadInt64LittleEndian(address);
        }
    }

    public void Free(nint address)
    {
        lock (_gate)
        {
            if (!_disposed && _error is null)
            {
                Send(Head('F').Long(address));
            }
        }
    }

    public void CopyIn(ReadOnlySpan<byte> source, nint destination)
    {
        lock (_gate)
        {
            Send(Head('W').Long(destination).Long(source.Length), source);
        }
    }

    public void CopyOut(nint source, Span<byte> destination)
    {
        lock (_gate)
        {
            Send(Head('R').Long(source).Long(destination.Length));
            Receive(destination);
        }
    }

    public void Set(nint destination, byte value, long byteLength)
    {
        lock (_gate)
        {
            Send(Head('S').Long(destination).Long(byteLength).Byte(value));
        }
    }

    public void Launch(string module, string kernel, ReadOnlySpan<int> shape, ReadOnlySpan<byte> arguments)
    {
        lock (_gate)
        {
            Writer head = Head('L').Text(module, kernel);
            foreach (int size in shape)
            {
                head = head.Int(size);
            }

            Send(head.Int(arguments.Length), arguments);
        }
    }

    public void Synchronize()
    {
        lock (_gate)
        {
            Send(Head('Y'));
            Receive([]);
        }
    }

    /// <summary>Lines of module, kernel, arguments structure, its bytes and the most threads of a block.</summary>
    public string ListKernels()
    {
        lock (_gate)
        {
            Span<byte> length = stackalloc byte[sizeof(int)];
            Send(Head('K'));
            Receive(length);
            var text = new byte[BinaryPrimitives.ReadInt32LittleEndian(length)];
            ReadFully(text);
            return Encoding.UTF8.GetString(text);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (!_disposed)
            {
                _disposed = true;
                _requests.Close();
                _process.WaitForExit();
                _process.Dispose();
            }
        }
    }

    private Writer Head(char request) => new Writer(_head, 0).Byte((byte)request);

    private void Send(Writer head, ReadOnlySpan<byte> data = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ThrowWhereFailed();
        try
        {
            _requests.Write(_head.AsSpan(0, head.Length));
            _requests.Write(data);
            _requests.Flush();
        }
        catch (IOException)
        {
            ReadError();
            ThrowWhereFailed();
        }
    }

    private void Receive(Span<byte> data)
    {
        Span<byte> status = stackalloc byte[1];
        if (_answers.ReadAtLeast(status, 1, throwOnEndOfStream: false) == 0)
        {
            _error = Report(string.Empty);
        }
        else if (status[0] != 0)
        {
            _error = ReadErrorText();
        }

        ThrowWhereFailed();
        ReadFully(data);
    }

    private void ReadFully(Span<byte> data) => _answers.ReadExactly(data);

    private void ReadError()
    {
        Span<byte> status = stackalloc byte[1];
        _error = _answers.ReadAtLeast(status, 1, throwOnEndOfStream: false) == 0 ? Report(string.Empty) : ReadErrorText();
    }

    private string ReadErrorText()
    {
        Span<byte> length = stackalloc byte[sizeof(int)];
        _answers.ReadExactly(length);
        var text = new byte[BinaryPrimitives.ReadInt32LittleEndian(length)];
        _answers.ReadExactly(text);
        return Report(Encoding.UTF8.GetString(text));
    }

    private string Report(string text)
    {
        string report = _report.Result.Trim();
        return report.Length == 0 ? text : $"{text}{report}";
    }

    private void ThrowWhereFailed()
    {
        if (_error is not null)
        {
            throw new HostExecutionException(_error.Length == 0 ? "The harness ended without a word." : _error);
        }
    }

    /// <summary>Puts operands behind each other.</summary>
    private readonly struct Writer(byte[] buffer, int length)
    {
        public int Length => length;

        public Writer Byte(byte value)
        {
            buffer[length] = value;
            return new Writer(buffer, length + 1);
        }

        public Writer Int(int value)
        {
            BinaryPrimitives.WriteInt32LittleEndian(buffer.AsSpan(length), value);
            return new Writer(buffer, length + sizeof(int));
        }

        public Writer Long(long value)
        {
            BinaryPrimitives.WriteInt64LittleEndian(buffer.AsSpan(length), value);
            return new Writer(buffer, length + sizeof(long));
        }

        /// <summary>Two words and a space between them, behind their length.</summary>
        public Writer Text(string first, string second)
        {
            Writer next = Int(first.Length + 1 + second.Length);
            int end = next.Length + Encoding.ASCII.GetBytes(first, buffer.AsSpan(next.Length));
            buffer[end++] = (byte)' ';
            end += Encoding.ASCII.GetBytes(second, buffer.AsSpan(end));
            return new Writer(buffer, end);
        }
    }
}
